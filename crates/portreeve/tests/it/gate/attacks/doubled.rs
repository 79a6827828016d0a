//! A server that says an answer twice on one connection: the second time to whoever asks next.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::TestGate;
use crate::support::gate::TOKEN;

const OTHER: &str = "other-token-0123456789-abcdefghijklmnop";

/// Reads one request: its head, and its body as JSON.
async fn request(stream: &mut TcpStream) -> Option<(String, Value)> {
    let mut read = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.ok().filter(|n| *n > 0)?;
        read.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.to_ascii_lowercase();
        let length = length.split("content-length: ").nth(1);
        let length: usize = length.map_or(0, |l| l.lines().next().unwrap().parse().unwrap());
        if body.len() >= length {
            return Some((
                head.to_owned(),
                serde_json::from_str(body).unwrap_or_default(),
            ));
        }
    }
}

async fn serve(mut stream: TcpStream, heads: Arc<Mutex<Vec<String>>>) {
    while let Some((head, asked)) = request(&mut stream).await {
        heads.lock().unwrap().push(head);
        let tool = json!({ "name": "t", "inputSchema": { "type": "object" } });
        let result = match asked["method"].as_str() {
            Some("initialize") => json!({ "protocolVersion": "2025-11-25", "capabilities": {} }),
            Some("tools/list") => json!({ "tools": [tool] }),
            _ => {
                json!({ "content": [{ "type": "text", "text": asked["params"]["arguments"]["who"] }] })
            }
        };
        let body = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result }).to_string();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
        if asked["method"] == "tools/call" {
            // Late enough for the next request to be under way.
            tokio::time::sleep(Duration::from_micros(500)).await;
            stream.write_all(answer.as_bytes()).await.ok();
        }
    }
}

#[tokio::test]
async fn an_answer_that_comes_twice_reaches_nobody_elses_call() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&heads);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&seen)));
        }
    });
    let gate = TestGate::start(&url, r#"{"version":"1","default":"allow"}"#).await;
    gate.add_grant("other", OTHER, &[("s", Some("p"))]).await;
    let call = async |token: &str, who: &str| {
        let params = json!({ "name": "t", "arguments": { "who": who } });
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        gate.post_with(&headers, call.to_string()).await.text()
    };
    for round in 0..200 {
        call(TOKEN, "alice's secret").await;
        let heard = call(OTHER, "bob's").await;
        assert!(!heard.contains("alice"), "in round {round}: {heard}");
    }
    let heads = heads.lock().unwrap();
    let host = format!(
        "host: {}",
        url.trim_start_matches("http://").trim_end_matches("/mcp")
    );
    for head in heads.iter() {
        assert!(
            head.starts_with("POST /mcp ") || head.starts_with("DELETE /mcp "),
            "{head}"
        );
        assert!(
            head.lines().any(|line| line.eq_ignore_ascii_case(&host)),
            "{head}"
        );
        assert!(!head.contains('@'), "{head}");
    }
}
