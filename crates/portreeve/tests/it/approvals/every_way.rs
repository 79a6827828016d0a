//! What must hold whichever way the agent comes to the gate, and the gate to the server.

use std::sync::Arc;
use std::time::Duration;

use portreeve::admin::Request;
use portreeve::name::Label;
use portreeve::store::approval::{Says, State};
use portreeve::store::model::{Accepting, Judged, NewTools, Opinion};
use portreeve::upstream::definition_of;
use serde_json::{Value, json};

use super::{Behind, Town, Way, asking, decision, id_of, in_session, passed};
use crate::stdio::eventually;
use crate::support::caller::{Caller, calling};

/// A test of each scenario for each way.
macro_rules! every_way {
    ($($scenario:ident)*) => {$(
        mod $scenario {
            use crate::approvals::Way;

            #[tokio::test(flavor = "multi_thread")]
            async fn over_http() {
                super::$scenario(Way::Http).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn with_a_stdio_server() {
                super::$scenario(Way::StdioServer).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn through_portreeve_stdio() {
                super::$scenario(Way::StdioClient).await;
            }
        }
    )*};
}

every_way! {
    a_call_waits_and_passes_in_one_round_trip_once_it_is_approved
    a_waiting_client_hears_that_it_waits
    approved_late_the_unchanged_retry_passes_exactly_once
    changed_arguments_ask_again
    a_changed_definition_or_server_asks_again
    a_denied_call_stays_denied_until_it_expires
    an_approval_ends
    an_approval_is_spent_on_a_call_that_may_have_run
    an_approval_is_given_back_if_the_server_was_surely_not_reached
    a_request_that_its_client_gave_up_does_not_pass
    a_grant_that_ends_while_it_waits_gets_nothing
}

async fn a_call_waits_and_passes_in_one_round_trip_once_it_is_approved(way: Way) {
    let town = Town::new(way, &asking("1m", "")).await;
    let call = town.caller.begin(calling(&json!({ "a": 1 }), None));
    let id = town.waiting().await;
    assert_eq!(town.reached(), 0);
    let by_bo = town.decide(&id, Says::Approve, &town.people[1]).await;
    assert_eq!(by_bo, Ok(State::Approved));
    assert!(passed(&call.await.unwrap().unwrap().answer));
    assert_eq!(town.reached(), 1);
    assert_eq!(town.all().await[0].state, State::Used);
    assert!(town.all().await[0].params.is_none());
    let told: Vec<(String, Option<String>)> = town
        .gate
        .booked()
        .into_iter()
        .filter(|call| call.approval_id.is_some())
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

async fn a_waiting_client_hears_that_it_waits(way: Way) {
    let town = Town::new(way, &asking("1m", "")).await;
    let call = calling(&json!({}), Some("p\"1"));
    let asked = town.caller.begin(call);
    let id = town.waiting().await;
    if let Caller::Lines(lines) = &town.caller {
        eventually("it is told", || {
            let said = lines.said();
            said.iter()
                .any(|message| message["method"] == "notifications/progress")
        })
        .await;
    }
    town.approve(&id).await;
    let heard = asked.await.unwrap().unwrap();
    assert!(!heard.notes.is_empty());
    for note in heard.notes {
        assert_eq!(note["method"], "notifications/progress");
        assert_eq!(note["params"]["progressToken"], "p\"1");
        let message = note["params"]["message"].as_str().unwrap();
        assert_eq!(message, format!("waiting for approval {id}"));
    }
    assert!(passed(&heard.answer));
}

async fn approved_late_the_unchanged_retry_passes_exactly_once(way: Way) {
    let town = Town::new(way, &asking("0s", "")).await;
    let arguments = json!({ "a": 1, "b": "é" });
    let asked = town.call(&arguments).await;
    let told = decision(&asked);
    assert_eq!(told["rule"], "/tools/act/require_approval/0");
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
    assert_eq!(id_of(&town.call(&arguments).await), id, "it joins");
    town.approve(&id).await;
    // The same call in another order, from another sending.
    let retry = calling(&json!({ "b": "é", "a": 1 }), Some("again"));
    assert!(passed(&town.caller.ask(&retry).await.unwrap().answer));
    assert_eq!(town.reached(), 1);
    assert_ne!(id_of(&town.call(&arguments).await), id);
    assert_eq!(town.reached(), 1);
}

async fn changed_arguments_ask_again(way: Way) {
    let town = Town::new(way, &asking("0s", "")).await;
    let id = town.approved(&json!({ "a": 1 })).await;
    for changed in [
        json!({ "a": 2 }),
        json!({ "a": "1" }),
        json!({ "a": 1, "b": null }),
    ] {
        assert_ne!(id_of(&town.call(&changed).await), id, "{changed}");
    }
    assert_eq!(town.reached(), 0);
    assert!(passed(&town.call(&json!({ "a": 1 })).await));
}

async fn a_changed_definition_or_server_asks_again(way: Way) {
    let town = Town::new(way, &asking("0s", "")).await;
    let id = town.approved(&json!({})).await;
    let (store, name) = (&town.gate.node.house.store, "s".parse().unwrap());
    let now = town.gate.clock.now();
    let text = r#"{"name":"act","description":"another","inputSchema":{"type":"object"}}"#;
    let rules = portreeve_policy::json::Rules::MESSAGE;
    let tree = portreeve_policy::json::parse(text.as_bytes(), rules).unwrap();
    let definition = definition_of(&tree, text.as_bytes()).unwrap();
    let judged = Judged {
        definition,
        opinion: Opinion::default(),
    };
    store.observe(&name, vec![judged], now).await.unwrap();
    store.accept(&name, Accepting::All, now).await.unwrap();
    town.gate.node.gate.reload().await.unwrap();
    let second = town.approved(&json!({})).await;
    assert_ne!(second, id);

    let listed = store.servers().await.unwrap();
    let target = listed.into_iter().next().unwrap().target;
    store.remove_server(&name).await.unwrap();
    town.gate.clock.advance(Duration::from_secs(1));
    town.gate
        .add_target("s", target, NewTools::Quarantine)
        .await;
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

async fn a_denied_call_stays_denied_until_it_expires(way: Way) {
    let town = Town::new(way, &asking("1m", "")).await;
    let call = town.caller.begin(calling(&json!({}), None));
    let id = town.waiting().await;
    let denied = town.decide(&id, Says::Deny, &town.people[0]).await;
    assert_eq!(denied, Ok(State::Denied));
    let told = call.await.unwrap().unwrap().answer;
    for answer in [told, town.call(&json!({})).await] {
        assert_eq!(decision(&answer)["outcome"], "deny");
        let reason = decision(&answer)["reason"].as_str().unwrap();
        assert_eq!(
            reason,
            format!("a person denied this call (approval {id}): not on a Friday")
        );
    }
    let late = town.decide(&id, Says::Approve, &town.people[1]).await;
    assert!(late.unwrap_err().what.ends_with(" is denied already"));
    town.gate.put_policy("p", &asking("0s", "")).await;
    town.gate.clock.advance(Duration::from_mins(30));
    assert_ne!(id_of(&town.call(&json!({})).await), id);
    assert_eq!(town.reached(), 0);
}

async fn an_approval_ends(way: Way) {
    let town = Town::new(way, &asking("0s", r#","timeout":"5m""#)).await;
    let id = town.approved(&json!({})).await;
    let unanswered = id_of(&town.call(&json!({ "a": 1 })).await);
    town.gate.clock.advance(Duration::from_mins(5));
    assert_ne!(id_of(&town.call(&json!({})).await), id);
    let late = town
        .decide(&unanswered, Says::Approve, &town.people[0])
        .await;
    assert!(late.unwrap_err().what.ends_with(" is expired already"));
    town.gate.node.gate.end_late_approvals().await;
    let states: Vec<State> = town.all().await.iter().map(|a| a.state).collect();
    assert_eq!(states, [State::Waiting, State::Expired, State::Expired]);
    assert_eq!(town.reached(), 0);
}

async fn an_approval_is_spent_on_a_call_that_may_have_run(way: Way) {
    let town = Town::new(way, &asking("0s", "")).await;
    let last = json!({ "do": "die" });
    let id = town.approved(&last).await;
    let failed = town.call(&last).await;
    assert_eq!(failed["error"]["code"], 50200, "{failed}");
    assert_eq!(failed["error"]["data"]["may_have_run"], true, "{failed}");
    assert_ne!(id_of(&town.call(&last).await), id);
    assert_eq!(town.reached(), 1);
}

async fn an_approval_is_given_back_if_the_server_was_surely_not_reached(way: Way) {
    let town = Town::new(way, &asking("0s", "")).await;
    let id = town.approved(&json!({})).await;
    let Town {
        gate,
        behind,
        caller,
        ..
    } = town;
    behind.vanish(&gate).await;
    for _ in 0..2 {
        let answer = caller.ask(&calling(&json!({}), None)).await.unwrap().answer;
        assert_eq!(answer["error"]["data"]["may_have_run"], false, "{answer}");
        let approval = gate.node.house.store.approval(&id).await.unwrap();
        assert_eq!(approval.unwrap().state, State::Approved);
    }
}

async fn a_request_that_its_client_gave_up_does_not_pass(way: Way) {
    let town = Town::new(way, &asking("1m", "")).await;
    let caller = in_session(&town.caller).await;
    let call = calling(&json!({}), None);
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled",
                         "params": { "requestId": call["id"] } });
    let asked = caller.begin(call.clone());
    let id = town.waiting().await;
    if let Caller::Lines(lines) = &caller {
        // Over lines a cancelled request is not answered; what was said before is heard before.
        caller.tell(&cancel).await;
        let ping = json!({ "jsonrpc": "2.0", "id": "ping", "method": "ping" });
        assert!(caller.ask(&ping).await.unwrap().answer["result"].is_object());
        town.approve(&id).await;
        assert!(caller.ask(&ping).await.is_some());
        let is_answer = |message: &Value| message["id"] == call["id"];
        assert!(!lines.said().iter().any(is_answer));
        asked.abort();
    } else {
        // Once the call listens, it hears of it.
        while !asked.is_finished() {
            caller.tell(&cancel).await;
        }
        let answer = asked.await.unwrap().unwrap().answer;
        assert!(
            answer.to_string().contains("cancelled while it waited"),
            "{answer}"
        );
        town.approve(&id).await;
    }
    assert_eq!(town.reached(), 0);
    // It can be used by a call that is wanted.
    let again = calling(&json!({}), None);
    assert!(passed(&caller.ask(&again).await.unwrap().answer));
}

async fn a_grant_that_ends_while_it_waits_gets_nothing(way: Way) {
    let town = Town::new(way, &asking("1m", "")).await;
    let call = town.caller.begin(calling(&json!({}), None));
    let id = town.waiting().await;
    let label = Label::new("tester").unwrap();
    town.office(Request::GrantRevoke { label }).await.unwrap();
    town.approve(&id).await;
    let told = call.await.unwrap().unwrap().answer;
    assert_eq!(decision(&told)["outcome"], "deny", "{told}");
    assert_eq!(town.reached(), 0);
}

#[tokio::test]
async fn approvals_survive_a_restart_and_are_not_used_twice_by_it() {
    let town = Town::new(Way::Http, &asking("0s", "")).await;
    let id = town.approved(&json!({})).await;
    let Town { gate, behind, .. } = town;
    let gate = Arc::into_inner(gate).unwrap().restart().await;
    let call = async |gate: &crate::support::TestGate| gate.call("act", json!({})).await.json();
    assert!(passed(&call(&gate).await), "{id}");
    let gate = gate.restart().await;
    assert_ne!(id_of(&call(&gate).await), id);
    assert_eq!(Behind::reached(&behind), 1);
}
