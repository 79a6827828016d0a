//! Servers that misbehave. The gate lives, the call is answered and booked, and nothing is mixed up.

use std::time::Duration;

use serde_json::Value;

use super::{Scripted, act, eventually, text_of};
use crate::support::TestGate;

/// What a client is told of a call whose server failed.
fn failure(answer: &Value) -> (&str, bool) {
    let words = answer["error"]["message"].as_str();
    let may_have_run = answer["error"]["data"]["may_have_run"].as_bool();
    match (words, may_have_run) {
        (Some(words), Some(may_have_run)) => (words, may_have_run),
        _ => panic!("no failure: {answer}"),
    }
}

#[tokio::test]
async fn a_server_that_dies_breaks_its_calls_and_its_session() {
    let s = Scripted::start().await;
    let session = s.session().await;
    let held = act(1, "hold");
    let dying = async {
        eventually("the first call arrived", || s.sent("\"hold\"") == 1).await;
        s.act(&session, 2, "die").await
    };
    let (held, died) = tokio::join!(s.in_session(&session, &held), dying);
    for answer in [held, died] {
        let answer = answer.json();
        let (words, may_have_run) = failure(&answer);
        assert!(words.contains("exit code 7"), "{words}");
        assert!(may_have_run);
    }
    assert_eq!(s.act(&session, 3, "x").await.status, 404);
    let booked = s.gate.booked();
    let failed = booked.iter().filter(|call| call.end.outcome == "failed");
    assert_eq!(failed.count(), 2);
    // Another session has a process again.
    let session = s.session().await;
    assert_eq!(text_of(&s.act(&session, 1, "count").await.json()), "1");
}

#[tokio::test]
async fn a_server_that_dies_again_and_again_is_left_alone_for_longer_and_longer() {
    let s = Scripted::over(TestGate::empty().await, "dead").await;
    let mut refused = None;
    for _ in 0..8 {
        let answer = s.gate.post(super::initialize().to_string()).await.json();
        let (words, may_have_run) = failure(&answer);
        if words.contains("in a row") {
            refused = Some((words.to_owned(), may_have_run));
            break;
        }
    }
    let (words, may_have_run) = refused.expect("it is not started for ever");
    assert!(
        words.contains("exit code 3") && words.contains("started again in"),
        "{words}"
    );
    assert!(!may_have_run, "nothing was sent");
}

#[tokio::test]
async fn noise_second_answers_and_wrong_ids_are_survived() {
    let s = Scripted::start().await;
    let session = s.session().await;
    for (id, what, text) in [
        (1, "noise", "quiet"),
        (2, "twice", "once"),
        (3, "wrong-id", "right"),
        (4, "x", "fine"),
    ] {
        let answer = s.act(&session, id, what).await.json();
        assert_eq!(answer["id"], id);
        assert_eq!(text_of(&answer), text);
    }
}

#[tokio::test]
async fn a_flood_within_a_call_reaches_its_client_whole() {
    let s = Scripted::start().await;
    let session = s.session().await;
    let events = s.act(&session, 1, "flood").await.events();
    assert_eq!(events.len(), 2_001);
    assert_eq!(events[1_999]["params"]["data"], 1_999);
    assert_eq!(text_of(&events[2_000]), "flooded");
}

#[tokio::test]
async fn a_line_that_is_too_long_or_no_text_ends_the_process() {
    for (what, says) in [
        ("long-line", "more than 1048576 bytes"),
        ("no-utf8", "not UTF-8"),
    ] {
        let s = Scripted::start().await;
        let session = s.session().await;
        let answer = s.act(&session, 1, what).await.json();
        let (words, may_have_run) = failure(&answer);
        assert!(words.contains(says), "{words}");
        assert!(may_have_run);
        eventually("only the house is left", || s.children() == 1).await;
    }
}

#[tokio::test]
async fn a_server_that_reads_no_more_blocks_nobody() {
    let gate = TestGate::planned(|plan| {
        plan.children.stall = Duration::from_millis(200);
        plan.default_timeout = Duration::from_secs(30);
    })
    .await;
    let s = Scripted::over(gate, "").await;
    let session = s.session().await;
    let deaf = act(1, "deaf");
    let mut more = act(2, "x");
    // More than a pipe holds.
    more["params"]["arguments"]["pad"] = "x".repeat(512 * 1024).into();
    let sending = async {
        eventually("it went deaf", || s.sent("\"deaf\"") == 1).await;
        s.in_session(&session, &more).await
    };
    let (deaf, more) = tokio::join!(s.in_session(&session, &deaf), sending);
    for answer in [deaf, more] {
        let answer = answer.json();
        let (words, _) = failure(&answer);
        assert!(words.contains("did not read its input"), "{words}");
    }
    // Others are served as ever.
    let session = s.session().await;
    assert_eq!(text_of(&s.act(&session, 1, "x").await.json()), "fine");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_and_told() {
    let gate = TestGate::planned(|plan| plan.default_timeout = Duration::from_millis(500)).await;
    let s = Scripted::over(gate, "").await;
    let session = s.session().await;
    let answer = s.act(&session, 1, "hang").await.json();
    assert_eq!(answer["error"]["code"], 50400, "{answer}");
    eventually("it is told", || s.sent("notifications/cancelled") == 1).await;
    assert_eq!(text_of(&s.act(&session, 2, "x").await.json()), "fine");
}

#[tokio::test]
async fn a_server_gets_its_own_environment_and_little_of_the_gates() {
    let s = Scripted::start().await;
    let session = s.session().await;
    let answer = s.act(&session, 1, "environment").await.json();
    let got: Vec<&str> = text_of(&answer)
        .split(';')
        .filter_map(|line| line.split('=').next())
        .filter(|name| !["", "OLDPWD", "PWD", "SHLVL", "_"].contains(name))
        .collect();
    // The gate's environment in this test has a PATH only; a shell adds the rest.
    assert_eq!(got, ["DECLARED", "PATH"]);
}
