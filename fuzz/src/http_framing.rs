//! Bytes from a stranger on a connection: the gate neither panics nor hangs, nothing reaches the
//! server but well-formed messages that the policy allows, and the next caller is served.
//!
//! The first byte says what the rest is: a connection's bytes as they are, the body of an
//! otherwise good request, or one header line and a body.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use http::Method;
use serde_json::value::RawValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::timeout;

use super::json;
use super::room::{HANGS, HOST, Room, Seen, TOKEN, means_the_resource};
use super::tape::Tape;

/// A connection that says nothing for so long has nothing more to say. Should it be too short on
/// a slow machine, the client is gone before its answer, which it may be.
const SILENCE: Duration = Duration::from_millis(8);
/// Then the room is cleared, for its ledger grows.
const MAX_INPUTS: u32 = 20_000;
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub fn check(input: &[u8]) {
    static ROOM: OnceLock<Mutex<(Room, u32)>> = OnceLock::new();
    let room = ROOM.get_or_init(|| Mutex::new((Room::new(), 0)));
    let mut room = room.lock().unwrap_or_else(PoisonError::into_inner);
    let (room, inputs) = &mut *room;
    *inputs += 1;
    if *inputs > MAX_INPUTS {
        (*room, *inputs) = (Room::new(), 0);
    }
    let room: &Room = room;
    let bytes = connection(input);
    room.runtime.block_on(exchange(room, &bytes, SILENCE));
    for seen in room.take_seen() {
        permitted(&seen);
    }
    let answer = room
        .runtime
        .block_on(exchange(room, &good_request(), HANGS / 2));
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains(r#""id":"good""#), "{answer}");
    assert!(answer.contains(r#""content":[]"#), "{answer}");
    room.take_seen();
}

fn connection(input: &[u8]) -> Vec<u8> {
    let mut tape = Tape::new(input);
    match tape.byte() % 3 {
        0 => tape.rest().to_vec(),
        1 => request("", tape.rest()),
        _ => {
            let rest = tape.rest();
            let end = rest.iter().position(|byte| *byte == b'\n');
            let (line, body) = rest.split_at(end.unwrap_or(rest.len()));
            let line = format!("{}\r\n", String::from_utf8_lossy(line));
            request(&line, body.get(1..).unwrap_or_default())
        }
    }
}

fn request(header_line: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let mut bytes = format!(
        "POST /mcp/s HTTP/1.1\r\nhost: {HOST}\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\nconnection: close\r\n{header_line}\
         content-length: {length}\r\n\r\n"
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn good_request() -> Vec<u8> {
    let body = r#"{"jsonrpc":"2.0","id":"good","method":"tools/call","params":{"name":"allowed","arguments":{}}}"#;
    request("", body.as_bytes())
}

/// One connection from its first byte to its end; answers what came back.
async fn exchange(room: &Room, bytes: &[u8], silence: Duration) -> Vec<u8> {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let front = Arc::clone(&room.front);
    let serving = tokio::spawn(async move { front.serve_connection(server, PEER).await });
    let answer = timeout(HANGS, talk(client, bytes, silence)).await;
    let answer = answer.expect("the talk must end");
    let ended = timeout(HANGS, serving).await;
    ended.expect("the connection must end").expect("no panic");
    answer
}

async fn talk(client: DuplexStream, bytes: &[u8], silence: Duration) -> Vec<u8> {
    let (mut from_gate, mut to_gate) = tokio::io::split(client);
    let sending = async {
        // The gate may hang up before it was told everything.
        to_gate.write_all(bytes).await.ok();
        to_gate
    };
    let receiving = async {
        let mut answer = Vec::new();
        loop {
            let reading = timeout(silence, from_gate.read_buf(&mut answer));
            match reading.await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) | Err(_) => return answer,
            }
        }
    };
    let (to_gate, answer) = tokio::join!(sending, receiving);
    drop(to_gate);
    answer
}

/// What reached the server is one message of the right form that the policy allows, and carries
/// nothing of the caller's credentials.
fn permitted(seen: &Seen) {
    for name in [
        "authorization",
        "cookie",
        "proxy-authorization",
        "transfer-encoding",
    ] {
        assert!(!seen.headers.contains_key(name), "{name}: {seen:?}");
    }
    let message = match seen.method {
        Method::GET | Method::DELETE => return assert!(seen.body.is_empty(), "{seen:?}"),
        _ => json::read(&seen.body).unwrap_or_else(|| panic!("not JSON: {seen:?}")),
    };
    assert_eq!(seen.method, Method::POST);
    unambiguous(message);
    let text = |name: &str| json::member(message, name).and_then(json::text);
    assert_eq!(text("jsonrpc").as_deref(), Some("2.0"), "{seen:?}");
    let method = text("method").unwrap_or_else(|| panic!("no method: {seen:?}"));
    let params = json::member(message, "params");
    assert!(is_allowed(&method, params), "{seen:?}");
    if let Some(mirror) = seen.headers.get("mcp-method") {
        assert_eq!(mirror, method.as_str());
    }
}

/// No object has a member twice, in whatever case on the levels that decide.
fn unambiguous(raw: &RawValue) {
    for element in json::elements(raw).unwrap_or_default() {
        unambiguous(element);
    }
    let members = json::members(raw).unwrap_or_default();
    for (index, (key, value)) in members.iter().enumerate() {
        assert!(!key.contains('\0'));
        assert!(members.iter().take(index).all(|(other, _)| other != key));
        unambiguous(value);
    }
}

fn is_allowed(method: &str, params: Option<&RawValue>) -> bool {
    let only = |raw: Option<&RawValue>, member: &str, value: &str| {
        let values = raw.map(|raw| json::members_like(raw, member));
        let values = values.unwrap_or_default();
        values.len() == 1
            && values
                .into_iter()
                .all(|v| json::text(v).as_deref() == Some(value))
    };
    match method {
        "tools/call" => only(params, "name", "allowed"),
        "prompts/get" => only(params, "name", "ok"),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
            let uri = params.and_then(|params| json::member(params, "uri"));
            uri.and_then(json::text)
                .is_some_and(|uri| means_the_resource(&uri))
        }
        "completion/complete" => {
            let target = params.and_then(|params| json::member(params, "ref"));
            let uri = target.and_then(|target| json::member(target, "uri"));
            only(target, "name", "ok")
                || uri
                    .and_then(json::text)
                    .is_some_and(|uri| means_the_resource(&uri))
        }
        "initialize"
        | "ping"
        | "server/discover"
        | "subscriptions/listen"
        | "logging/setLevel"
        | "tools/list"
        | "resources/list"
        | "resources/templates/list"
        | "prompts/list"
        | "x/ok" => true,
        other => [
            "notifications/initialized",
            "notifications/cancelled",
            "notifications/progress",
            "notifications/roots/list_changed",
        ]
        .contains(&other),
    }
}
