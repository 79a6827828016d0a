//! Resources and tasks: one URI at two servers is two, and each is followed back.

use serde_json::json;

use super::{Agent, OPEN, Peer, gate_with};

#[tokio::test]
async fn the_same_uri_at_two_servers_is_read_at_each() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let agent = Agent::in_session(&gate).await;
    let uris = agent.listed("resources/list", "resources", "uri").await;
    assert_eq!(
        uris,
        ["portreeve:a:file:///same", "portreeve:b:file:///same"]
    );
    for (uri, server) in uris.iter().zip([&a, &b]) {
        let read = agent.ask("resources/read", json!({ "uri": uri })).await;
        assert_eq!(read["result"]["contents"][0]["uri"], **uri, "{read}");
        assert_eq!(
            server.heard("resources/read")[0]["params"]["uri"],
            "file:///same"
        );
    }
    let templates = agent.listed(
        "resources/templates/list",
        "resourceTemplates",
        "uriTemplate",
    );
    let templates = templates.await;
    assert_eq!(
        templates,
        ["portreeve:a:file:///{x}", "portreeve:b:file:///{x}"]
    );
    let filled = templates[1].replace("{x}", "y/z");
    agent.ask("resources/read", json!({ "uri": filled })).await;
    assert_eq!(b.heard("resources/read")[1]["params"]["uri"], "file:///y/z");
    let reference = json!({ "type": "ref/resource", "uri": templates[0] });
    let argument = json!({ "name": "x", "value": "" });
    agent
        .ask(
            "completion/complete",
            json!({ "ref": reference, "argument": argument }),
        )
        .await;
    assert_eq!(
        a.heard("completion/complete")[0]["params"]["ref"]["uri"],
        "file:///{x}"
    );
}

#[tokio::test]
async fn a_policy_sees_the_servers_own_uri() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let policy = r#"{"version":"1","default":"deny","resources":{"file:///same":{}}}"#;
    let gate = gate_with(&[("a", &a), ("b", &b)], policy).await;
    let agent = Agent::of(&gate);
    let read = |uri: &'static str| agent.ask("resources/read", json!({ "uri": uri }));
    assert!(read("portreeve:a:file:///same").await["result"].is_object());
    assert_eq!(
        read("portreeve:a:file:///other").await["error"]["code"],
        40300
    );
    for unknown in [
        "file:///same",
        "portreeve:c:file:///same",
        "portreeve:file:///same",
    ] {
        let refused = read(unknown).await;
        assert_eq!(refused["error"]["data"]["rule"], "(malformed)", "{refused}");
    }
    assert_eq!(a.heard("resources/read").len(), 1);
}

#[tokio::test]
async fn links_in_results_can_be_followed_and_their_data_is_left_alone() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let agent = Agent::in_session(&gate).await;
    let called = agent.call("b__t", json!({})).await["result"].clone();
    assert_eq!(called["content"][1]["uri"], "portreeve:b:file:///same");
    assert_eq!(called["structuredContent"]["uri"], "file:///same");
    let prompt = agent.ask("prompts/get", json!({ "name": "a__p" })).await;
    let resource = &prompt["result"]["messages"][0]["content"]["resource"];
    assert_eq!(resource["uri"], "portreeve:a:file:///same");
    let tools = agent.ask("tools/list", json!({})).await;
    let card = &tools["result"]["tools"][3]["_meta"]["ui"]["resourceUri"];
    assert_eq!(*card, "ui://portreeve/b/card");
    agent.ask("resources/read", json!({ "uri": card })).await;
    assert_eq!(b.heard("resources/read")[0]["params"]["uri"], "ui://card");
}

#[tokio::test]
async fn tasks_are_their_servers() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let gate = gate_with(&[("a", &a), ("b", &b)], OPEN).await;
    let agent = Agent::in_session(&gate).await;
    let mut ids = Vec::new();
    for (server, tool) in [("a", "a__t"), ("b", "b__t")] {
        let begun = agent
            .ask("tools/call", json!({ "name": tool, "task": {} }))
            .await;
        let id = begun["result"]["task"]["taskId"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(
            id.starts_with(&format!("{server}:")) && id.ends_with(".1"),
            "{id}"
        );
        ids.push(id);
    }
    let got = agent.ask("tasks/get", json!({ "taskId": ids[1] })).await;
    assert_eq!(got["result"]["taskId"], ids[1], "{got}");
    assert_eq!(b.heard("tasks/get")[0]["params"]["taskId"], "1");
    assert!(a.heard("tasks/get").is_empty());
    assert_eq!(agent.listed("tasks/list", "tasks", "taskId").await, ids);
    let unknown = agent.ask("tasks/get", json!({ "taskId": "1" })).await;
    assert_eq!(unknown["error"]["data"]["rule"], "(malformed)");
    // A seal opens at its own server only.
    let moved = ids[1].replacen("b:", "a:", 1);
    let refused = agent.ask("tasks/get", json!({ "taskId": moved })).await;
    assert!(refused["error"].is_object(), "{refused}");
    assert!(a.heard("tasks/get").is_empty());
}
