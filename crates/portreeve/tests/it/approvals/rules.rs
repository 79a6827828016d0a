//! What the rules about approvals say, whichever way the call comes.

use std::sync::Arc;
use std::time::Duration;

use portreeve::admin::{Credential, Failure, Plain, Request, Response};
use portreeve::name::Label;
use portreeve::store::approval::{Says, State};
use portreeve::store::person::Role;
use serde_json::json;

use super::{Town, Way, as_person, asking, decision, id_of, passed};
use crate::support::gate::TOKEN;

impl Town {
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
}

#[tokio::test]
async fn of_many_retries_at_once_one_passes() {
    let town = Town::new(Way::Http, &asking("0s", "")).await;
    town.approved(&json!({})).await;
    let calls = (0..12).map(|_| {
        let gate = Arc::clone(&town.gate);
        tokio::spawn(async move { gate.call("act", json!({})).await.json() })
    });
    let mut through = 0;
    for call in calls.collect::<Vec<_>>() {
        through += usize::from(passed(&call.await.unwrap()));
    }
    assert_eq!((through, town.reached()), (1, 1));
    // Only what passed was charged: of three an hour, two are left.
    for _ in 0..2 {
        let id = id_of(&town.call(&json!({})).await);
        town.decide(&id, Says::Approve, &town.people[0])
            .await
            .unwrap();
        assert!(passed(&town.call(&json!({})).await));
    }
    // Nobody is asked about a call that a limit refuses.
    let before = town.all().await.len();
    let refused = town.call(&json!({})).await;
    assert_eq!(decision(&refused)["rule"], "/tools/act/limits/0");
    assert_eq!(town.all().await.len(), before);
}

#[tokio::test]
async fn a_limit_that_fills_up_meanwhile_refuses_what_was_approved() {
    let policy = r#"{"version":"1","default":"deny","tools":{
        "act":{"limits":[{"counter":"c","window":"hour","max":1}],
             "require_approval":[{"conditions":[],"hold":"0s"}]}}}"#;
    let town = Town::new(Way::Http, policy).await;
    town.approved(&json!({ "a": 1 })).await;
    let id = town.approved(&json!({ "a": 2 })).await;
    assert!(passed(&town.call(&json!({ "a": 1 })).await));
    let refused = town.call(&json!({ "a": 2 })).await;
    assert_eq!(decision(&refused)["rule"], "/tools/act/limits/0");
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
    let town = Town::new(Way::Http, &asking("0s", "")).await;
    let other = "other-token-0123456789-abcdefghijklmno";
    town.gate
        .add_grant("other", other, &[("s", Some("p"))])
        .await;
    let id = town.approved(&json!({ "a": 1 })).await;
    let call = |params: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#)
    };
    for params in [
        r#"{"name":"act","arguments":{"a":2}}"#,
        r#"{"name":"act","arguments":{"a":"1"}}"#,
        r#"{"name":"act","arguments":{"a":1.0000000000000000000000000000000000001}}"#,
        r#"{"name":"act","arguments":{"a":1,"b":null}}"#,
        r#"{"name":"act","arguments":{"a":1},"task":{"ttl":1}}"#,
        r#"{"name":"act","arguments":{"a":1},"_meta":{"x":1}}"#,
        r#"{"name":"act"}"#,
    ] {
        let answer = town.gate.post(call(params)).await.json();
        assert_ne!(id_of(&answer), id, "{params}");
    }
    let act = r#""params":{"name":"act","arguments":{"a":1}}"#;
    let beside = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call",{act},"evil":{{}}}}"#);
    let answer = town.gate.post(beside).await.json();
    assert_ne!(id_of(&answer), id, "a member beside the params");
    let authorization = format!("Bearer {other}");
    let headers = [("authorization", authorization.as_str())];
    let same = call(r#"{"name":"act","arguments":{"a":1}}"#);
    let answer = town.gate.post_with(&headers, same.clone()).await.json();
    assert_ne!(id_of(&answer), id, "another grant");
    let headers = [("mcp-protocol-version", "2025-06-18")];
    let answer = town.gate.post_with(&headers, same.clone()).await.json();
    assert_ne!(id_of(&answer), id, "another revision");
    assert_eq!(town.reached(), 0);
    assert!(passed(&town.gate.post(same).await.json()));
}

#[tokio::test]
async fn two_people_are_two_people() {
    let town = Town::new(Way::Http, &asking("0s", r#","approvals":2"#)).await;
    let id = id_of(&town.call(&json!({})).await);
    let first = town.decide(&id, Says::Approve, &town.people[0]).await;
    assert_eq!(first, Ok(State::Waiting));
    let again = town.decide(&id, Says::Approve, &town.people[0]).await;
    assert_eq!(again.unwrap_err().what, "ann has decided already");
    assert_eq!(id_of(&town.call(&json!({})).await), id);
    let second = town.decide(&id, Says::Approve, &town.people[1]).await;
    assert_eq!(second, Ok(State::Approved));
    assert!(passed(&town.call(&json!({})).await));
}

#[tokio::test]
async fn rules_that_changed_meanwhile_are_asked_anew() {
    let town = Town::new(Way::Http, &asking("0s", "")).await;
    let id = town.approved(&json!({})).await;
    let stricter = asking("0s", r#","approvers":["bo"]"#);
    town.gate.put_policy("p", &stricter).await;
    assert_eq!(id_of(&town.call(&json!({})).await), id);
    let ann = town.decide(&id, Says::Approve, &town.people[0]).await;
    let why = "the rules that ask name other approvers: bo";
    assert_eq!(ann.unwrap_err().what, why);
    town.decide(&id, Says::Approve, &town.people[1])
        .await
        .unwrap();
    assert!(passed(&town.call(&json!({})).await));
}

#[tokio::test]
async fn a_grant_that_ends_while_it_waits_gets_nothing() {
    let town = Town::new(Way::Http, &asking("1m", "")).await;
    let gate = Arc::clone(&town.gate);
    let call = tokio::spawn(async move { gate.call("act", json!({})).await.json() });
    let id = town.waiting().await;
    let revoke = Request::GrantRevoke {
        label: Label::new("tester").unwrap(),
    };
    town.office(revoke).await.unwrap();
    town.decide(&id, Says::Approve, &town.people[0])
        .await
        .unwrap();
    let told = call.await.unwrap();
    assert_eq!(decision(&told)["outcome"], "deny", "{told}");
    assert_eq!(town.reached(), 0);
}

#[tokio::test]
async fn nobody_decides_without_proof_or_about_their_own() {
    let town = Town::new(Way::Http, &asking("0s", "")).await;
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
    let by_bo = town.office(add(&[], Some(town.people[1].clone()))).await;
    assert!(by_bo.is_err(), "bo is no admin");
    // The caller's identity is its grant's label, `tester`.
    let own = add(&["Tester"], Some(town.people[0].clone()));
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
async fn what_is_shown_cannot_deceive() {
    let town = Town::new(Way::Http, &asking("0s", "")).await;
    town.call(&json!({ "to": "\u{202e}evil\u{1b}[2J\u{200b}" }))
        .await;
    let params = town.all().await[0].params.clone().unwrap();
    assert_eq!(
        params.get(),
        r#"{"arguments":{"to":"\u202eevil\u001b[2J\u200b"},"name":"act"}"#
    );
}

#[tokio::test]
async fn a_call_in_another_spelling_is_the_same_call() {
    let town = Town::new(Way::Http, &asking("0s", "")).await;
    let id = town.approved(&json!({ "a": 1, "b": "é" })).await;
    let retry = r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"_meta":{"progressToken":7},"arguments":{"b":"\u00e9","a":1.0e0},"name":"act"}}"#;
    let answer = town.gate.post(retry).await;
    assert!(answer.text().contains("\"ok\""), "{}", answer.text());
    assert_ne!(id_of(&town.call(&json!({ "a": 1, "b": "é" })).await), id);
    assert_eq!(town.reached(), 1);
}

#[tokio::test]
async fn one_waiting_is_one_record_under_the_number_that_the_agent_is_told() {
    let town = Town::new(Way::Http, &asking("1s", "")).await;
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
    let town = Town::new(Way::Http, &asking("0s", "")).await;
    let id = town.approved(&json!({})).await;
    let others = town.withdraw(&id, &town.people[1]).await.unwrap_err();
    assert!(others.what.contains("bo has not approved it"), "{others:?}");
    assert_eq!(
        town.withdraw(&id, &town.people[0]).await,
        Ok(State::Waiting)
    );
    assert_eq!(id_of(&town.call(&json!({})).await), id, "it waits again");
    assert_eq!(town.reached(), 0);
    // Ann may think again, and what has passed cannot be taken back.
    let again = town.decide(&id, Says::Approve, &town.people[0]).await;
    assert_eq!(again, Ok(State::Approved));
    assert!(passed(&town.call(&json!({})).await));
    let late = town.withdraw(&id, &town.people[0]).await.unwrap_err();
    assert!(late.what.contains(" is used already"));
    let acts = portreeve::ledger::acts(&town.gate.ledger_dir(), None, None).unwrap();
    let taken_back = acts
        .items
        .iter()
        .filter(|act| act.act == "approval.withdraw");
    let by: Vec<(&str, &str)> = taken_back.map(|act| (&*act.actor, &*act.subject)).collect();
    assert_eq!(by, [("user ann", &*id), ("user ann", &*id)]);
    let undone = acts.items.iter().filter(|act| act.act == "act.failed");
    assert_eq!(undone.count(), 1, "the second was not done");
    // Should the call turn out never to have reached its server, it is no approval any more.
    let store = &town.gate.node.house.store;
    assert!(store.give_back_approval(&id, "{}").await.unwrap());
    let left = store.approval(&id).await.unwrap().unwrap();
    assert_eq!(left.state, State::Waiting);
}

#[tokio::test]
async fn what_cannot_be_said_is_known_before_anybody_proves_who_they_are() {
    let town = Town::new(Way::Http, &asking("0s", "")).await;
    let id = id_of(&town.call(&json!({})).await);
    let office = &town.gate.node.office;
    let may = async |says: Option<Says>, who: Option<&str>| {
        let (id, who) = (id.clone(), who.map(|who| Label::new(who).unwrap()));
        let asked = Request::ApprovalMay { id, says, who };
        office.answer("a test", asked).await.map_err(|no| no.what)
    };
    assert!(may(Some(Says::Approve), None).await.is_ok());
    assert!(may(Some(Says::Deny), Some("ann")).await.is_ok());
    // Whether there is such a person is not told.
    assert!(may(Some(Says::Approve), Some("nobody")).await.is_ok());
    let not_given = may(None, Some("ann")).await.unwrap_err();
    assert!(not_given.contains("ann has not approved it"), "{not_given}");
    let denied = town.decide(&id, Says::Deny, &town.people[0]).await;
    assert_eq!(denied, Ok(State::Denied));
    for says in [Some(Says::Approve), Some(Says::Deny), None] {
        let late = may(says, None).await.unwrap_err();
        assert_eq!(late, format!("the approval {id} is denied already"));
    }
    let acts = portreeve::ledger::acts(&town.gate.ledger_dir(), None, None).unwrap();
    let asked = acts.items.iter().filter(|act| act.actor == "a test");
    assert_eq!(asked.count(), 0, "asking is no act");
}
