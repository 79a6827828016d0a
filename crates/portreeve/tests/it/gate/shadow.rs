//! Policies that are tried beside the one in force.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use portreeve::ledger::{self, BookedCall, Filter};
use portreeve::name::{Label, Name};
use portreeve_policy::decimal::Decimal;
use portreeve_policy::limits::Counters;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{allowing, tools};
use crate::support::server::plain;
use crate::support::{TestGate, TestServer};

impl TestGate {
    /// Tries this policy on the usual grant.
    async fn try_beside(&self, policy: &str) {
        let name = |text: &str| Name::new(text).unwrap();
        let servers = BTreeMap::from([(name("s"), Some(name("p")))]);
        let shadows = BTreeMap::from([(name("s"), name(policy))]);
        let label = Label::new("tester").unwrap();
        let store = &self.node.house.store;
        let rewriting = store.rewrite_grant(&label, servers, shadows, None);
        rewriting.await.unwrap();
        self.node.gate.reload().await.unwrap();
    }

    fn last(&self) -> BookedCall {
        self.booked().pop().unwrap()
    }
}

async fn beside(in_force: &str, shadow: &str) -> (TestServer, TestGate) {
    let server = TestServer::with_tools(tools(&["a", "b", "c"])).await;
    let gate = TestGate::start(&server.url(), in_force).await;
    gate.put_policy("next", shadow).await;
    gate.try_beside("next").await;
    (server, gate)
}

/// What the shadow said of the last call.
fn said(gate: &TestGate) -> (String, String) {
    let shadow = gate.last().shadow.unwrap();
    assert!(shadow.policy.starts_with("next"), "{shadow:?}");
    (shadow.outcome, shadow.rule)
}

#[tokio::test]
async fn a_shadow_is_recorded_and_never_answered_with() {
    let shadow = r#"{"version":"1","default":"deny","tools":{
        "a":{},"b":{"action":"hide"},"c":{"action":"require_approval"}}}"#;
    let in_force =
        r#"{"version":"1","default":"deny","tools":{"a":{"action":"deny"},"b":{},"c":{}}}"#;
    let (_server, gate) = beside(in_force, shadow).await;
    for (tool, passes, outcome, rule) in [
        ("a", false, "allow", "/tools/a"),
        ("b", true, "hide", "(hidden)"),
        ("c", true, "ask", "/tools/c/action"),
    ] {
        let answer = gate.call(tool, json!({})).await;
        assert_eq!(answer.decision().is_null(), passes, "{}", answer.text());
        assert_eq!(said(&gate), (outcome.to_owned(), rule.to_owned()), "{tool}");
        assert_eq!(gate.last().shadow.unwrap().policy, "next@1");
        assert!(gate.last().shadow_differs());
    }
    assert_eq!(
        gate.listed().await,
        ["a", "b", "c"],
        "a list is that of the policy in force"
    );
    assert_eq!(gate.last().shadow, None, "nothing is decided about a list");
    let malformed = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#;
    gate.post(malformed).await;
    assert_eq!(gate.last().shadow, None, "no policy could allow it");

    gate.put_policy("next", in_force).await;
    gate.call("a", json!({})).await;
    gate.call("b", json!({})).await;
    assert!(!gate.last().shadow_differs());
    let differing = Filter {
        shadow_differs: true,
        ..Filter::default()
    };
    let differing = ledger::query(&gate.ledger_dir(), differing).unwrap();
    let tools: Vec<_> = differing
        .iter()
        .map(|call| call.tool.as_deref().unwrap())
        .collect();
    assert_eq!(tools, ["a", "b", "c"]);
}

#[tokio::test]
async fn a_shadow_that_cannot_say_says_so() {
    let (_server, gate) = beside(&allowing(&["a"]), &allowing(&["a"])).await;
    // As an older version may have left one in the store.
    let (store, name) = (&gate.node.house.store, Name::new("next").unwrap());
    let broken = r#"{"version":"2"}"#.to_owned();
    let put = store.put_policy(&name, broken, "test", gate.clock.now());
    put.await.unwrap();
    gate.node.gate.reload().await.unwrap();
    for policy in ["next", "next2"] {
        gate.try_beside(policy).await;
        assert!(gate.call("a", json!({})).await.decision().is_null());
        assert_eq!(said(&gate), ("error".to_owned(), "(no policy)".to_owned()));
        assert!(gate.last().shadow_differs());
        assert_eq!(gate.last().end.outcome, "allow");
    }
}

const ONE: &str = r#"{"version":"1","default":"allow","all_tools":{
    "limits":[{"counter":"c","window":"hour","max":1}]}}"#;
const TWO: &str = r#"{"version":"1","default":"allow","tools":{"b":{"action":"deny"}},"all_tools":{
    "limits":[{"counter":"c","window":"hour","max":2}]}}"#;

async fn shadow_of(gate: &TestGate, tool: &str) -> String {
    gate.call(tool, json!({})).await;
    said(gate).1
}

#[tokio::test]
async fn a_shadows_limits_count_by_themselves_also_across_restarts() {
    for keep_snapshot in [true, false] {
        let (_server, mut gate) = beside(ONE, TWO).await;
        let limit = "/all_tools/limits/0";
        assert_eq!(
            shadow_of(&gate, "b").await,
            "/tools/b/action",
            "charged nothing"
        );
        assert_eq!(shadow_of(&gate, "a").await, "(default allow)");
        assert_eq!(
            gate.last().end.outcome,
            "deny",
            "the policy in force allows one"
        );
        gate.clock.advance(Duration::from_mins(10));
        if keep_snapshot {
            gate = gate.restart().await;
        } else {
            let snapshot = gate.dir.path().join("counters.snapshot");
            let TestGate { node, clock, dir } = gate;
            node.stop().await.unwrap();
            std::fs::remove_file(snapshot).unwrap();
            let plan = crate::support::gate::plan(dir.path(), &clock);
            let node = portreeve::node::Node::start(plan).await.unwrap();
            gate = TestGate { node, clock, dir };
        }
        assert_eq!(shadow_of(&gate, "a").await, "(default allow)");
        gate = gate.restart().await;
        assert_eq!(shadow_of(&gate, "a").await, limit, "the shadow allows two");
        assert_eq!(gate.last().rule, limit);
        gate.clock.advance(Duration::from_mins(50));
        assert_eq!(shadow_of(&gate, "a").await, "(default allow)");
        assert_eq!(gate.last().end.outcome, "allow");
    }
}

#[tokio::test]
async fn a_shadow_is_given_back_what_never_was_sent() {
    let (server, gate) = beside(&allowing(&["a"]), ONE).await;
    let address = server.address;
    server.vanish().await;
    for _ in 0..3 {
        assert_eq!(shadow_of(&gate, "a").await, "(default allow)");
        assert_eq!(gate.last().end.outcome, "not_sent");
    }
    let gate = gate.restart().await;
    let _back = TestServer::start_at(address, |seen| plain(seen, &tools(&["a", "b", "c"]))).await;
    assert_eq!(shadow_of(&gate, "a").await, "(default allow)");
}

#[tokio::test]
async fn a_shadow_that_would_only_begin_counts_what_it_would_have_let_pass() {
    let (_server, gate) = beside(r#"{"version":"1","default":"deny"}"#, ONE).await;
    assert_eq!(shadow_of(&gate, "a").await, "(default allow)");
    assert_eq!(shadow_of(&gate, "a").await, "/all_tools/limits/0");
}

#[tokio::test]
async fn a_shadow_knows_what_was_seen() {
    let flow = r#"{"version":"1","default":"allow","flow":[
        {"name":"f","after":["a"],"then":["b"],"action":"deny","for":"30m"}]}"#;
    let (_server, gate) = beside(&allowing(&["a", "b"]), flow).await;
    assert_eq!(shadow_of(&gate, "b").await, "(default allow)");
    gate.call("a", json!({})).await;
    assert_eq!(shadow_of(&gate, "b").await, "/flow/0");
    assert_eq!(gate.last().end.outcome, "allow");
}

/// A rule set of any kind.
fn rules() -> impl Strategy<Value = Value> {
    let limit = |scope: &str, max: u32| {
        json!({ "limits": [
        { "counter": "c", "window": "minute", "max": max, "scope": scope }] })
    };
    prop_oneof![
        3 => Just(json!({})),
        1 => Just(json!({ "action": "deny", "reason": "no" })),
        1 => Just(json!({ "action": "hide" })),
        1 => Just(json!({ "require_approval": [{ "conditions": [], "hold": "0s" }] })),
        1 => Just(json!({ "deny_if": [{ "conditions": [{ "path": "args.k", "op": "eq", "value": 1 }] }] })),
        1 => Just(json!({ "require": [{ "conditions": [{ "path": "args.k", "op": "lt", "value": 2 }] }] })),
        1 => (1_u32..3).prop_map(|max| json!({ "rate_limit": { "max": max, "window": "minute" } })),
        2 => (1_u32..4).prop_map(move |max| limit("grant", max)),
        2 => (1_u32..4).prop_map(move |max| limit("gateway", max)),
    ]
}

fn policies() -> impl Strategy<Value = String> {
    let named = proptest::collection::btree_map(
        prop_oneof![Just("a"), Just("b"), Just("c"), Just("*"), Just("@unknown")],
        rules(),
        0..4,
    );
    let flow = prop_oneof![
        Just(json!([])),
        Just(json!([
        { "name": "f", "after": ["a"], "then": ["b", "c"], "action": "deny", "for": "1m" }]))
    ];
    (named, prop_oneof![Just("allow"), Just("deny")], flow).prop_map(|(tools, default, flow)| {
        json!({ "version": "1", "default": default, "tools": tools, "flow": flow }).to_string()
    })
}

#[derive(Clone, Debug)]
enum Step {
    Call(&'static str, Value),
    List,
    Advance(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let tool = prop_oneof![Just("a"), Just("b"), Just("c"), Just("nothing")];
    let args = prop_oneof![
        Just(json!({})),
        Just(json!({ "k": 1 })),
        Just(json!({ "k": 2 }))
    ];
    let step = prop_oneof![
        6 => (tool, args).prop_map(|(tool, args)| Step::Call(tool, args)),
        1 => Just(Step::List),
        2 => (1_000_u64..40_000).prop_map(Step::Advance),
    ];
    proptest::collection::vec(step, 4..14)
}

/// A text without the names of calls and approvals, which are others each time.
fn without_ids(text: &str, calls: &[BookedCall]) -> String {
    calls.iter().fold(text.to_owned(), |text, call| {
        let text = text.replace(&call.call_id, "CALL");
        match &call.approval_id {
            Some(id) => text.replace(id, "APPROVAL"),
            None => text,
        }
    })
}

/// Everything that can be seen of a run: answers, the book but for shadows, the counters.
async fn run(
    in_force: &str,
    shadow: Option<&str>,
    steps: &[Step],
) -> (Vec<String>, Vec<Value>, String) {
    let server = TestServer::with_tools(tools(&["a", "b", "c"])).await;
    let gate = TestGate::start(&server.url(), in_force).await;
    // In both runs, lest another label is kept.
    gate.put_policy("next", shadow.unwrap_or(in_force)).await;
    if shadow.is_some() {
        gate.try_beside("next").await;
    }
    let mut answers = Vec::new();
    for step in steps {
        let answer = match step {
            Step::Advance(ms) => {
                gate.clock.advance(Duration::from_millis(*ms));
                continue;
            }
            Step::List => {
                gate.post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#)
                    .await
            }
            Step::Call(tool, args) => gate.call(tool, args.clone()).await,
        };
        answers.push(without_ids(&answer.text(), &gate.booked()));
    }
    let booked = gate.booked();
    assert_eq!(booked.iter().any(|call| call.shadow.is_some()), {
        let calls = steps.iter().any(|step| matches!(step, Step::Call(..)));
        shadow.is_some() && calls
    });
    let plain = booked.iter().map(|call| {
        let text = serde_json::to_string(call).unwrap();
        let mut call: Value = serde_json::from_str(&without_ids(&text, &booked)).unwrap();
        for varies in ["call_id", "args_mac", "latency_us", "shadow", "seq"] {
            call.as_object_mut().unwrap().remove(varies);
        }
        call
    });
    let plain = plain.collect();
    let TestGate { node, dir, .. } = gate;
    node.stop().await.unwrap();
    (answers, plain, in_force_counters(dir.path()))
}

/// The counters of the policy in force, as they stand in the snapshot.
fn in_force_counters(dir: &Path) -> String {
    let text = std::fs::read_to_string(dir.join("counters.snapshot")).unwrap();
    let counters = text.splitn(3, '\n').nth(2).unwrap();
    let in_force = counters.split("shadow\n").next().unwrap();
    Counters::import(in_force, 1_000).expect("whole by itself");
    let mut lines: Vec<&str> = in_force.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_shadow_changes_nothing_that_can_be_seen(
        in_force in policies(),
        shadow in policies(),
        steps in steps(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let with = runtime.block_on(run(&in_force, Some(&shadow), &steps));
        let without = runtime.block_on(run(&in_force, None, &steps));
        prop_assert_eq!(with, without);
    }
}

#[tokio::test]
async fn a_shadow_fills_no_counter_of_the_policy_in_force() {
    let wide = r#"{"version":"1","default":"allow","all_tools":{
        "limits":[{"counter":"c","window":"hour","max":5,"cost":"args.n"}]}}"#;
    let (_server, gate) = beside(wide, wide).await;
    gate.call("a", json!({ "n": 3 })).await;
    let last = gate.last();
    let lines = ledger::tail(&gate.ledger_dir(), 10).unwrap();
    let begin = lines
        .iter()
        .find(|line| line.contains(&last.call_id))
        .unwrap();
    let begin: Value = serde_json::from_str(begin).unwrap();
    assert_eq!(
        begin["charges"], begin["shadow"]["charges"],
        "one counter each"
    );
    let charged: Decimal = Decimal::parse(begin["charges"][0][1].as_str().unwrap()).unwrap();
    assert_eq!(charged.to_string(), "3");
    let twice = gate.call("a", json!({ "n": 2 })).await;
    assert!(twice.decision().is_null(), "{}", twice.text());
    assert_eq!(
        gate.call("a", json!({ "n": 1 })).await.decision()["rule"],
        "/all_tools/limits/0"
    );
}
