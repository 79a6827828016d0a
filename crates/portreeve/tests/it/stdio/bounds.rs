//! How many processes there may be.

use http::Method;

use super::{Open, Scripted, act, eventually, initialize, text_of};
use crate::support::TestGate;

#[tokio::test]
async fn the_longest_idle_process_makes_room() {
    let gate = TestGate::planned(|plan| plan.children.max_per_server = 3).await;
    let s = Scripted::over(gate, "").await;
    let (one, two) = (s.session().await, s.session().await);
    assert_eq!(s.children(), 3);
    assert_eq!(text_of(&s.act(&one, 1, "x").await.json()), "fine");
    // The house's is the longest idle, then the second session's.
    let three = s.session().await;
    let four = s.session().await;
    eventually("the bound holds", || s.children() == 3).await;
    assert_eq!(s.act(&two, 1, "x").await.status, 404);
    for session in [&one, &three, &four] {
        assert_eq!(text_of(&s.act(session, 2, "x").await.json()), "fine");
    }
}

#[tokio::test]
async fn a_process_in_use_does_not_make_room() {
    let gate = TestGate::planned(|plan| plan.children.max_in_all = 2).await;
    let s = Scripted::over(gate, "").await;
    let one = s.session().await;
    let listening = Open::request(&s.gate, Method::GET, &one, String::new()).await;
    let two = s.session().await;
    let held = act(1, "hold");
    let busy = s.in_session(&two, &held);
    let refused = async {
        eventually("the call arrived", || s.sent("\"hold\"") == 1).await;
        let refused = s.gate.post(initialize().to_string()).await.json();
        let words = refused["error"]["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(words.contains("too many processes"), "{refused}");
        assert_eq!(refused["error"]["data"]["may_have_run"], false);
        s.act(&two, 2, "release").await
    };
    let (busy, released) = tokio::join!(busy, refused);
    assert_eq!(text_of(&busy.json()), "held 1");
    assert_eq!(text_of(&released.json()), "released");
    drop(listening);
}
