use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::past::MAX_PAST;
use super::*;

fn begin(table: &mut Table, message: &Value) -> Begun {
    let line = Bytes::from(message.to_string());
    let parts = parts::read(&line).expect("a message");
    table.begin(&line, &parts).expect("it is taken")
}

fn call(id: &Value, token: Option<&Value>) -> Value {
    let mut call = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {} });
    if let Some(token) = token {
        call["params"]["_meta"] = json!({ "progressToken": token });
    }
    call
}

fn hear(table: &mut Table, message: &Value) -> Route {
    table.route(Bytes::from(message.to_string()))
}

fn answered(begun: &mut Begun) -> Option<Value> {
    match begun.answers.try_recv().ok()? {
        Delivery::Answer(answer, _) => serde_json::from_slice(&answer).ok(),
        _ => None,
    }
}

#[test]
fn a_sessions_ids_are_left_alone_until_they_could_be_mistaken() {
    let mut table = Table::new(Serves::Session);
    let first = begin(&mut table, &call(&json!(5), Some(&json!("t"))));
    assert_eq!(first.line, call(&json!(5), Some(&json!("t"))).to_string());
    assert!(table.abandon(&first.wire_id));
    // The answer to the first may still come: the second goes under another id.
    let mut second = begin(&mut table, &call(&json!(5), Some(&json!("t"))));
    assert_ne!(second.written, "5");
    let late = json!({ "jsonrpc": "2.0", "id": 5, "result": { "of": "first" } });
    assert!(matches!(hear(&mut table, &late), Route::Done));
    assert_eq!(answered(&mut second), None);
    let told = json!({ "jsonrpc": "2.0", "method": "notifications/progress",
                       "params": { "progressToken": "t", "progress": 1 } });
    assert!(
        matches!(hear(&mut table, &told), Route::Done),
        "the first one's progress"
    );
    let wire: Value = serde_json::from_str(&second.written).unwrap();
    let own = json!({ "jsonrpc": "2.0", "method": "notifications/progress",
                      "params": { "progressToken": wire, "progress": 1 } });
    let Route::To(_, line, _) = hear(&mut table, &own) else {
        panic!("the second one's progress");
    };
    assert_eq!(
        serde_json::from_slice::<Value>(&line).unwrap()["params"]["progressToken"],
        "t"
    );
    hear(
        &mut table,
        &json!({ "jsonrpc": "2.0", "id": wire, "result": { "of": "second" } }),
    );
    let answer = answered(&mut second).expect("its own");
    assert_eq!(
        (&answer["id"], &answer["result"]["of"]),
        (&json!(5), &json!("second"))
    );
}

#[test]
fn what_names_nobody_goes_to_nobody_in_a_shared_process() {
    let mut table = Table::new(Serves::Everybody);
    let _only = begin(&mut table, &call(&json!(1), None));
    let note =
        json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "data": "x" } });
    assert!(matches!(hear(&mut table, &note), Route::Noise(_)));
    let question = json!({ "jsonrpc": "2.0", "id": 9, "method": "sampling/createMessage" });
    assert!(matches!(hear(&mut table, &question), Route::Reply(_)));
}

#[test]
fn what_waits_for_a_stream_is_bounded_and_questions_are_answered() {
    let mut table = Table::new(Serves::Session);
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": {} });
    for _ in 0..MAX_WAITING {
        assert!(matches!(hear(&mut table, &note), Route::Done));
    }
    assert!(matches!(hear(&mut table, &note), Route::Noise(_)));
    let question = json!({ "jsonrpc": "2.0", "id": "q", "method": "roots/list" });
    assert!(matches!(hear(&mut table, &question), Route::Reply(_)));
    let mut stream = table.listen();
    let mut waited = 0;
    while stream.try_recv().is_ok() {
        waited += 1;
    }
    assert_eq!(waited, MAX_WAITING);
}

#[test]
fn requests_in_flight_are_bounded() {
    let mut table = Table::new(Serves::Everybody);
    for _ in 0..MAX_RUNNING {
        begin(&mut table, &call(&json!(1), None));
    }
    let line = Bytes::from(call(&json!(1), None).to_string());
    let parts = parts::read(&line).unwrap();
    let refused = table.begin(&line, &parts).unwrap_err();
    assert!(refused.surely_not_sent(), "{refused}");
}

#[test]
fn forgotten_ids_are_trusted_no_more() {
    let mut table = Table::new(Serves::Session);
    for id in 0..=MAX_PAST {
        let begun = begin(&mut table, &call(&json!(id), None));
        table.abandon(&begun.wire_id);
    }
    assert_ne!(begin(&mut table, &call(&json!(0), None)).written, "0");
}

/// What can happen to requests.
#[derive(Clone, Debug)]
enum Step {
    Ask(u8, Option<u8>),
    Abandon(usize),
    /// The server answers a request it was sent, perhaps one it answered before.
    Answer(usize),
    Progress(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..4_u8, prop::option::of(0..3_u8)).prop_map(|(id, token)| Step::Ask(id, token)),
        (0..20_usize).prop_map(Step::Abandon),
        (0..20_usize).prop_map(Step::Answer),
        (0..20_usize).prop_map(Step::Progress),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn an_answer_is_never_anothers(steps in steps(), shared in any::<bool>()) {
        let serves = if shared { Serves::Everybody } else { Serves::Session };
        let mut table = Table::new(serves);
        // Each request with what it was sent as, and whether its client still waits.
        let mut asked: Vec<(Begun, u8, Value, bool)> = Vec::new();
        for step in steps {
            match step {
                Step::Ask(id, token) => {
                    let token = token.map(|token| json!(token));
                    // A client does not use an id twice while it waits for the first answer.
                    let own = |other: &(Begun, u8, Value, bool)| other.1 == id && other.3;
                    if !shared && asked.iter().any(own) {
                        continue;
                    }
                    let begun = begin(&mut table, &call(&json!(id), token.as_ref()));
                    let sent: Value = serde_json::from_slice(&begun.line).unwrap();
                    asked.push((begun, id, sent, true));
                }
                Step::Abandon(which) => {
                    if let Some((begun, _, _, waits)) = asked.get_mut(which) {
                        table.abandon(&begun.wire_id);
                        *waits = false;
                    }
                }
                Step::Answer(which) => {
                    let Some((_, _, sent, _)) = asked.get(which) else { continue };
                    let answer = json!({ "jsonrpc": "2.0", "id": sent["id"], "result": which });
                    hear(&mut table, &answer);
                }
                Step::Progress(which) => {
                    let Some((_, _, sent, _)) = asked.get(which) else { continue };
                    let token = &sent["params"]["_meta"]["progressToken"];
                    if token.is_null() {
                        continue;
                    }
                    let told = json!({ "jsonrpc": "2.0", "method": "notifications/progress",
                                       "params": { "progressToken": token, "progress": which } });
                    if let Route::To(_, _, Some(to)) = hear(&mut table, &told) {
                        prop_assert_eq!(&to, &asked[which].0.wire_id);
                    }
                }
            }
            for (which, (begun, id, _, waits)) in asked.iter_mut().enumerate() {
                if let Some(answer) = answered(begun) {
                    prop_assert_eq!(&answer["id"], &json!(*id));
                    prop_assert_eq!(&answer["result"], &json!(which));
                    *waits = false;
                }
            }
        }
    }
}
