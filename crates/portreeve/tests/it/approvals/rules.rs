//! Calls that people must approve.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use portreeve::admin::{ApprovalView, Credential, Failure, Plain, Request, Response};
use portreeve::name::Label;
use portreeve::store::approval::{Says, State};
use portreeve::store::model::Accepting;
use portreeve::store::person::Role;
use serde_json::{Value, json};

use super::tools;
use crate::support::gate::TOKEN;
use crate::support::server::plain;
use crate::support::{Script, TestGate, TestServer};

/// People are asked about everything under `t`; the agent is kept waiting for so long.
fn asking(hold: &str, more: &str) -> String {
    format!(
        r#"{{"version":"1","default":"deny","tools":{{"t":{{
            "limits":[{{"counter":"c","window":"hour","max":3}}],
            "require_approval":[{{"conditions":[],"hold":"{hold}","message":"mind the gap."{more}}}]
        }}}}}}"#
    )
}

/// A gate with two people, ann and bo, each of whom may approve.
struct Town {
    gate: Arc<TestGate>,
    server: TestServer,
}

/// Everybody's token says their name.
fn as_person(token: &str) -> Credential {
    Credential::Token(Plain(token.to_owned()))
}

impl Town {
    async fn new(policy: &str) -> (Self, Vec<Credential>) {
        let server = TestServer::with_tools(tools(&["t"])).await;
        Self::before(server, policy).await
    }

    async fn before(server: TestServer, policy: &str) -> (Self, Vec<Credential>) {
        let gate = Arc::new(TestGate::start(&server.url(), policy).await);
        let town = Self { gate, server };
        let mut people = Vec::new();
        for (name, role) in [("ann", Role::Admin), ("bo", Role::Approver)] {
            let by = people.first().cloned();
            let add = Request::UserAdd {
                name: Label::new(name).unwrap(),
                role,
                identities: Vec::new(),
                password: None,
                token: true,
                by,
            };
            let Ok(Response::Person { token, .. }) = town.office(add).await else {
                panic!("{name} was not added");
            };
            people.push(as_person(&token.unwrap()));
        }
        (town, people)
    }

    async fn office(&self, request: Request) -> Result<Response, Failure> {
        self.gate.node.office.answer("test", request).await
    }

    async fn all(&self) -> Vec<ApprovalView> {
        match self.office(Request::ApprovalList { all: true }).await {
            Ok(Response::Approvals { approvals }) => approvals,
            other => panic!("{other:?}"),
        }
    }

    /// The one call that waits, as soon as there is one.
    async fn waiting(&self) -> String {
        for _ in 0..1_000 {
            let all = self.all().await;
            if let Some(found) = all.iter().find(|a| a.state == State::Waiting) {
                return found.id.clone();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("nothing waits");
    }

    async fn decide(&self, id: &str, says: Says, by: &Credential) -> Result<State, Failure> {
        let decide = Request::ApprovalDecide {
            id: id.to_owned(),
            says,
            reason: (says == Says::Deny).then(|| "not on a Friday".to_owned()),
            by: by.clone(),
        };
        match self.office(decide).await? {
            Response::Approval { approval } => Ok(approval.state),
            other => panic!("{other:?}"),
        }
    }

    async fn withdraw(&self, id: &str, by: &Credential) -> Result<State, Failure> {
        let withdraw = Request::ApprovalWithdraw {
            id: id.to_owned(),
            reason: Some("wrong ticket".to_owned()),
            by: by.clone(),
        };
        match self.office(withdraw).await? {
            Response::Approval { approval } => Ok(approval.state),
            other => panic!("{other:?}"),
        }
    }

    async fn call(&self, arguments: &Value) -> Value {
        let answer = self.gate.call("t", arguments.clone()).await;
        answer.json()
    }

    /// Asks, and has the call approved; the id.
    async fn approved(&self, arguments: &Value, by: &Credential) -> String {
        let asked = self.call(arguments).await;
        let id = id_of(&asked);
        assert_eq!(
            self.decide(&id, Says::Approve, by).await,
            Ok(State::Approved)
        );
        id
    }

    fn reached(&self) -> usize {
        self.server.seen("tools/call").len()
    }
}

fn decision(answer: &Value) -> &Value {
    &answer["result"]["_meta"]["portreeve/decision"]
}

fn id_of(answer: &Value) -> String {
    let decision = decision(answer);
    assert_eq!(decision["outcome"], "ask", "{answer}");
    decision["approval_id"].as_str().unwrap().to_owned()
}

fn passed(answer: &Value) -> bool {
    answer["result"]["content"][0]["text"] == "ok"
}

#[tokio::test]
async fn a_call_waits_and_passes_in_one_round_trip_once_it_is_approved() {
    let (town, people) = Town::new(&asking("1m", "")).await;
    let gate = Arc::clone(&town.gate);
    let call = tokio::spawn(async move { gate.call("t", json!({ "a": 1 })).await.json() });
    let id = town.waiting().await;
    assert_eq!(town.reached(), 0);
    town.decide(&id, Says::Approve, &people[1]).await.unwrap();
    assert!(passed(&call.await.unwrap()));
    assert_eq!(town.reached(), 1);
    assert_eq!(town.all().await[0].state, State::Used);
    assert!(town.all().await[0].params.is_none());
    let told: Vec<(String, Option<String>)> = town
        .gate
        .booked()
        .into_iter()
        .map(|call| (call.end.outcome, call.approval_id))
        .collect();
    assert_eq!(
        told,
        [
            ("ask".to_owned(), Some(id.clone())),
            ("allow".to_owned(), Some(id))
        ]
    );
}

#[tokio::test]
async fn a_waiting_client_hears_that_it_waits() {
    let (town, people) = Town::new(&asking("1m", "")).await;
    let gate = Arc::clone(&town.gate);
    let body = r#"{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"t","_meta":{"progressToken":"p\u0031"}}}"#;
    let call = tokio::spawn(async move { gate.post(body).await });
    let id = town.waiting().await;
    town.decide(&id, Says::Approve, &people[0]).await.unwrap();
    let events = call.await.unwrap().events();
    let (last, first) = events.split_last().unwrap();
    assert!(!first.is_empty());
    for note in first {
        assert_eq!(note["method"], "notifications/progress");
        assert_eq!(note["params"]["progressToken"], "p1");
        let message = note["params"]["message"].as_str().unwrap();
        assert_eq!(message, format!("waiting for approval {id}"));
    }
    assert_eq!(last["id"], "x");
    assert!(passed(last));
}

#[tokio::test]
async fn approved_late_the_unchanged_retry_passes_exactly_once() {
    let (town, people) = Town::new(&asking("0s", "")).await;
    let asked = town.call(&json!({ "a": 1, "b": "é" })).await;
    let told = decision(&asked);
    assert_eq!(told["rule"], "/tools/t/require_approval/0");
    assert!(told["expires_at"].as_str().unwrap().starts_with("20"));
    let text = asked["result"]["content"][0]["text"].as_str().unwrap();
    assert!(
        text.starts_with("[POLICY DENIED] mind the gap; it waits as approval ap_"),
        "{text}"
    );
    assert!(
        text.ends_with("call again unchanged once it is approved"),
        "{text}"
    );
    let id = id_of(&asked);
    assert_eq!(
        id_of(&town.call(&json!({ "a": 1, "b": "é" })).await),
        id,
        "it joins"
    );
    town.decide(&id, Says::Approve, &people[0]).await.unwrap();
    // The same call in another spelling, from another sending.
    let retry = r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"_meta":{"progressToken":7},"arguments":{"b":"\u00e9","a":1.0e0},"name":"t"}}"#;
    let answer = town.gate.post(retry).await;
    assert!(answer.text().contains("\"ok\""), "{}", answer.text());
    assert_eq!(town.reached(), 1);
    assert_ne!(id_of(&town.call(&json!({ "a": 1, "b": "é" })).await), id);
    assert_eq!(town.reached(), 1);
}

#[tokio::test]
async fn of_many_retries_at_once_one_passes() {
    let (town, people) = Town::new(&asking("0s", "")).await;
    town.approved(&json!({}), &people[0]).await;
    let calls = (0..12).map(|_| {
        let gate = Arc::clone(&town.gate);
        tokio::spawn(async move { gate.call("t", json!({})).await.json() })
    });
    let mut through = 0;
    for call in calls.collect::<Vec<_>>() {
        through += usize::from(passed(&call.await.unwrap()));
    }
    assert_eq!((through, town.reached()), (1, 1));
    // Only what passed was charged: of three an hour, two are left.
    for _ in 0..2 {
        let id = id_of(&town.call(&json!({})).await);
        town.decide(&id, Says::Approve, &people[0]).await.unwrap();
        assert!(passed(&town.call(&json!({})).await));
    }
    // Nobody is asked about a call that a limit refuses.
    let before = town.all().await.len();
    let refused = town.call(&json!({})).await;
    assert_eq!(decision(&refused)["rule"], "/tools/t/limits/0");
    assert_eq!(town.all().await.len(), before);
}

#[tokio::test]
async fn a_limit_that_fills_up_meanwhile_refuses_what_was_approved() {
    let policy = r#"{"version":"1","default":"deny","tools":{
        "t":{"limits":[{"counter":"c","window":"hour","max":1}],
             "require_approval":[{"conditions":[],"hold":"0s"}]}}}"#;
    let (town, people) = Town::new(policy).await;
    town.approved(&json!({ "a": 1 }), &people[0]).await;
    let id = town.approved(&json!({ "a": 2 }), &people[0]).await;
    assert!(passed(&town.call(&json!({ "a": 1 })).await));
    let refused = town.call(&json!({ "a": 2 })).await;
    assert_eq!(decision(&refused)["rule"], "/tools/t/limits/0");
    town.gate.clock.advance(Duration::from_mins(20));
    let approval = town.gate.node.house.store.approval(&id).await.unwrap();
    assert_eq!(
        approval.unwrap().state,
        State::Approved,
        "it was not used up"
    );
}

#[tokio::test]
async fn a_changed_call_asks_again() {
    let (town, people) = Town::new(&asking("0s", "")).await;
    let other = "other-token-0123456789-abcdefghijklmno";
    town.gate
        .add_grant("other", other, &[("s", Some("p"))])
        .await;
    let id = town.approved(&json!({ "a": 1 }), &people[0]).await;
    let call = |params: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#)
    };
    for params in [
        r#"{"name":"t","arguments":{"a":2}}"#,
        r#"{"name":"t","arguments":{"a":"1"}}"#,
        r#"{"name":"t","arguments":{"a":1.0000000000000000000000000000000000001}}"#,
        r#"{"name":"t","arguments":{"a":1,"b":null}}"#,
        r#"{"name":"t","arguments":{"a":1},"task":{"ttl":1}}"#,
        r#"{"name":"t","arguments":{"a":1},"_meta":{"x":1}}"#,
        r#"{"name":"t"}"#,
    ] {
        let answer = town.gate.post(call(params)).await.json();
        assert_ne!(id_of(&answer), id, "{params}");
    }
    let authorization = format!("Bearer {other}");
    let headers = [("authorization", authorization.as_str())];
    let same = call(r#"{"name":"t","arguments":{"a":1}}"#);
    let answer = town.gate.post_with(&headers, same.clone()).await.json();
    assert_ne!(id_of(&answer), id, "another grant");
    assert_eq!(town.reached(), 0);
    assert!(passed(&town.gate.post(same).await.json()));
}

#[tokio::test]
async fn a_changed_definition_or_server_asks_again() {
    let (town, people) = Town::new(&asking("0s", "")).await;
    let id = town.approved(&json!({}), &people[0]).await;
    let (store, name) = (&town.gate.node.house.store, "s".parse().unwrap());
    let now = town.gate.clock.now();
    let text = r#"{"name":"t","description":"another","inputSchema":{"type":"object"}}"#;
    let rules = portreeve_policy::json::Rules::MESSAGE;
    let tree = portreeve_policy::json::parse(text.as_bytes(), rules).unwrap();
    let definition = portreeve::upstream::definition_of(&tree, text.as_bytes()).unwrap();
    store.observe(&name, vec![definition], now).await.unwrap();
    store.accept(&name, Accepting::All, now).await.unwrap();
    town.gate.node.gate.reload().await.unwrap();
    let second = town.approved(&json!({}), &people[0]).await;
    assert_ne!(second, id);

    store.remove_server(&name).await.unwrap();
    let url = town.server.url();
    let new_tools = portreeve::store::model::NewTools::Quarantine;
    town.gate.clock.advance(Duration::from_secs(1));
    town.gate.add_server("s", &url, new_tools).await;
    let attachments = [(name.clone(), Some("p".parse().unwrap()))];
    store
        .rewrite_grant(
            &Label::new("tester").unwrap(),
            attachments.into(),
            [].into(),
            None,
        )
        .await
        .unwrap();
    town.gate.node.gate.reload().await.unwrap();
    town.gate.node.gate.take_first_lists().await;
    let third = id_of(&town.call(&json!({})).await);
    assert!(third != id && third != second);
    assert_eq!(town.reached(), 0);
}

#[tokio::test]
async fn a_denied_call_stays_denied_until_it_expires() {
    let (town, people) = Town::new(&asking("1m", "")).await;
    let gate = Arc::clone(&town.gate);
    let call = tokio::spawn(async move { gate.call("t", json!({})).await.json() });
    let id = town.waiting().await;
    town.decide(&id, Says::Deny, &people[0]).await.unwrap();
    let told = call.await.unwrap();
    for answer in [told, town.call(&json!({})).await] {
        assert_eq!(decision(&answer)["outcome"], "deny");
        let reason = decision(&answer)["reason"].as_str().unwrap();
        assert_eq!(
            reason,
            format!("a person denied this call (approval {id}): not on a Friday")
        );
    }
    let late = town
        .decide(&id, Says::Approve, &people[1])
        .await
        .unwrap_err();
    assert_eq!(late.what, "it is denied already");
    town.gate.put_policy("p", &asking("0s", "")).await;
    town.gate.clock.advance(Duration::from_mins(30));
    assert_ne!(id_of(&town.call(&json!({})).await), id);
    assert_eq!(town.reached(), 0);
}

#[tokio::test]
async fn an_approval_ends() {
    let (town, people) = Town::new(&asking("0s", r#","timeout":"5m""#)).await;
    let id = town.approved(&json!({}), &people[0]).await;
    let unanswered = id_of(&town.call(&json!({ "a": 1 })).await);
    town.gate.clock.advance(Duration::from_mins(5));
    assert_ne!(id_of(&town.call(&json!({})).await), id);
    let late = town.decide(&unanswered, Says::Approve, &people[0]).await;
    assert_eq!(late.unwrap_err().what, "it is expired already");
    town.gate.node.gate.end_late_approvals().await;
    let states: Vec<State> = town.all().await.iter().map(|a| a.state).collect();
    assert_eq!(states, [State::Waiting, State::Expired, State::Expired]);
    assert_eq!(town.reached(), 0);
}

#[tokio::test]
async fn approvals_survive_a_restart_and_are_not_used_twice_by_it() {
    let (town, people) = Town::new(&asking("0s", "")).await;
    let id = town.approved(&json!({}), &people[0]).await;
    let Town { gate, server } = town;
    let gate = Arc::into_inner(gate).unwrap().restart().await;
    let town = Town {
        gate: Arc::new(gate),
        server,
    };
    assert!(passed(&town.call(&json!({})).await), "{id}");
    let Town { gate, server } = town;
    let gate = Arc::into_inner(gate).unwrap().restart().await;
    let town = Town {
        gate: Arc::new(gate),
        server,
    };
    assert_ne!(id_of(&town.call(&json!({})).await), id);
    assert_eq!(town.reached(), 1);
}

#[tokio::test]
async fn an_approval_is_spent_on_a_call_that_may_have_run_and_on_no_other() {
    // A server that breaks off in the middle: the call may have run.
    let server = TestServer::start(|seen| match seen.rpc_method().as_str() {
        "tools/call" => Script::Typed(StatusCode::OK, "text/html", b"what?".to_vec()),
        _ => plain(seen, &tools(&["t"])),
    })
    .await;
    let (town, people) = Town::before(server, &asking("0s", "")).await;
    let id = town.approved(&json!({}), &people[0]).await;
    assert_eq!(town.call(&json!({})).await["error"]["code"], 50200);
    assert_ne!(id_of(&town.call(&json!({})).await), id);

    // A server that is not there: the call surely did not run.
    let (town, people) = Town::new(&asking("0s", "")).await;
    let id = town.approved(&json!({}), &people[0]).await;
    let Town { gate, server } = town;
    server.vanish().await;
    for _ in 0..2 {
        let answer = gate.call("t", json!({})).await.json();
        assert_eq!(
            answer["error"]["data"]["may_have_run"], false,
            "{id}: {answer}"
        );
    }
}

#[tokio::test]
async fn two_people_are_two_people() {
    let (town, people) = Town::new(&asking("0s", r#","approvals":2"#)).await;
    let id = id_of(&town.call(&json!({})).await);
    let first = town.decide(&id, Says::Approve, &people[0]).await;
    assert_eq!(first, Ok(State::Waiting));
    let again = town.decide(&id, Says::Approve, &people[0]).await;
    assert_eq!(again.unwrap_err().what, "ann has decided already");
    assert_eq!(id_of(&town.call(&json!({})).await), id);
    let second = town.decide(&id, Says::Approve, &people[1]).await;
    assert_eq!(second, Ok(State::Approved));
    assert!(passed(&town.call(&json!({})).await));
}

#[tokio::test]
async fn rules_that_changed_meanwhile_are_asked_anew() {
    let (town, people) = Town::new(&asking("0s", "")).await;
    let id = town.approved(&json!({}), &people[0]).await;
    let stricter = asking("0s", r#","approvers":["bo"]"#);
    town.gate.put_policy("p", &stricter).await;
    assert_eq!(id_of(&town.call(&json!({})).await), id);
    let ann = town.decide(&id, Says::Approve, &people[0]).await;
    let why = "the rules that ask name other approvers: bo";
    assert_eq!(ann.unwrap_err().what, why);
    town.decide(&id, Says::Approve, &people[1]).await.unwrap();
    assert!(passed(&town.call(&json!({})).await));
}

#[tokio::test]
async fn a_grant_that_ends_while_it_waits_gets_nothing() {
    let (town, people) = Town::new(&asking("1m", "")).await;
    let gate = Arc::clone(&town.gate);
    let call = tokio::spawn(async move { gate.call("t", json!({})).await.json() });
    let id = town.waiting().await;
    let revoke = Request::GrantRevoke {
        label: Label::new("tester").unwrap(),
    };
    town.office(revoke).await.unwrap();
    town.decide(&id, Says::Approve, &people[0]).await.unwrap();
    let told = call.await.unwrap();
    assert_eq!(decision(&told)["outcome"], "deny", "{told}");
    assert_eq!(town.reached(), 0);
}

#[tokio::test]
async fn nobody_decides_without_proof_or_about_their_own() {
    let (town, people) = Town::new(&asking("0s", "")).await;
    let id = id_of(&town.call(&json!({})).await);
    // Neither the agent's own token nor a made-up one.
    for wrong in [TOKEN, "", "prp_nobody"] {
        let tried = town.decide(&id, Says::Approve, &as_person(wrong)).await;
        assert!(tried.is_err(), "{wrong}");
    }
    let guess = Credential::Password {
        name: Label::new("ann").unwrap(),
        password: Plain(String::new()),
    };
    assert!(town.decide(&id, Says::Approve, &guess).await.is_err());
    let add = |identities: &[&str], by| Request::UserAdd {
        name: Label::new("eve").unwrap(),
        role: Role::Approver,
        identities: identities.iter().map(ToString::to_string).collect(),
        password: None,
        token: true,
        by,
    };
    let unasked = town.office(add(&[], None)).await.unwrap_err();
    assert_eq!(unasked.what, "an admin must agree to another person");
    let by_bo = town.office(add(&[], Some(people[1].clone()))).await;
    assert!(by_bo.is_err(), "bo is no admin");
    // The caller's identity is its grant's label, `tester`.
    let own = add(&["Tester"], Some(people[0].clone()));
    let Ok(Response::Person { token, .. }) = town.office(own).await else {
        panic!("eve was not added");
    };
    let eve = as_person(&token.unwrap());
    let tried = town.decide(&id, Says::Approve, &eve).await.unwrap_err();
    assert_eq!(
        tried.what,
        "nobody approves a call of their own: the caller's identity is tester"
    );
    assert_eq!(town.reached(), 0);
}

#[tokio::test]
async fn a_request_that_its_client_gave_up_does_not_pass() {
    let server = TestServer::start(|seen| match seen.rpc_method().as_str() {
        "initialize" => {
            let result =
                json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {} });
            let body = json!({ "jsonrpc": "2.0", "id": seen.json()["id"], "result": result });
            let session = vec![("mcp-session-id", "theirs".to_owned())];
            Script::Json(StatusCode::OK, session, body.to_string().into_bytes())
        }
        _ => plain(seen, &tools(&["t"])),
    })
    .await;
    let (town, people) = Town::before(server, &asking("1m", "")).await;
    let hello = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#;
    let session = town.gate.post(hello).await.session();
    let (gate, own) = (Arc::clone(&town.gate), session.clone());
    let call = tokio::spawn(async move {
        let body = r#"{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"t"}}"#;
        gate.post_with(&[("mcp-session-id", &own)], body).await
    });
    let id = town.waiting().await;
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}"#;
    let headers = [("mcp-session-id", session.as_str())];
    // Once the call listens, it hears of it.
    while !call.is_finished() {
        town.gate.post_with(&headers, cancel).await;
    }
    assert!(
        call.await
            .unwrap()
            .text()
            .contains("cancelled while it waited")
    );
    town.decide(&id, Says::Approve, &people[0]).await.unwrap();
    assert_eq!(town.reached(), 0);
}

#[tokio::test]
async fn what_is_shown_cannot_deceive() {
    let (town, _) = Town::new(&asking("0s", "")).await;
    town.call(&json!({ "to": "\u{202e}evil\u{1b}[2J\u{200b}" }))
        .await;
    let params = town.all().await[0].params.clone().unwrap();
    assert_eq!(
        params.get(),
        r#"{"arguments":{"to":"\u202eevil\u001b[2J\u200b"},"name":"t"}"#
    );
}

#[tokio::test]
async fn one_waiting_is_one_record_under_the_number_that_the_agent_is_told() {
    let (town, _) = Town::new(&asking("1s", "")).await;
    let asked = town.call(&json!({})).await;
    let id = id_of(&asked);
    let booked = town.gate.booked();
    assert_eq!(booked.len(), 1, "{booked:?}");
    assert_eq!(booked[0].end.outcome, "ask");
    assert_eq!(booked[0].approval_id.as_deref(), Some(id.as_str()));
    assert_eq!(decision(&asked)["call_id"], booked[0].call_id);
    // Asked again it is another call, and booked as one.
    assert_eq!(id_of(&town.call(&json!({})).await), id);
    assert_eq!(town.gate.booked().len(), 2);
}

#[tokio::test]
async fn an_approval_can_be_taken_back_by_whoever_gave_it_until_it_is_used() {
    let (town, people) = Town::new(&asking("0s", "")).await;
    let id = town.approved(&json!({}), &people[0]).await;
    let others = town.withdraw(&id, &people[1]).await.unwrap_err();
    assert!(others.what.contains("bo has not approved it"), "{others:?}");
    assert_eq!(town.withdraw(&id, &people[0]).await, Ok(State::Waiting));
    assert_eq!(id_of(&town.call(&json!({})).await), id, "it waits again");
    assert_eq!(town.reached(), 0);
    // Ann may think again, and what has passed cannot be taken back.
    let again = town.decide(&id, Says::Approve, &people[0]).await;
    assert_eq!(again, Ok(State::Approved));
    assert!(passed(&town.call(&json!({})).await));
    let late = town.withdraw(&id, &people[0]).await.unwrap_err();
    assert_eq!(late.what, "it is used already");
    let acts = portreeve::ledger::acts(&town.gate.ledger_dir(), None, None).unwrap();
    let taken_back = acts
        .items
        .iter()
        .filter(|act| act.act == "approval.withdraw");
    let by: Vec<(&str, &str)> = taken_back.map(|act| (&*act.actor, &*act.subject)).collect();
    assert_eq!(by, [("user ann", &*id)]);
}
