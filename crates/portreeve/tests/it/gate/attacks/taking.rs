//! Clients that do not take an answer in one piece: on a connection of its own, and on one with
//! others beside it.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use portreeve::front::{FrontSettings, Patience};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::super::{allowing, tools};
use crate::support::gate::TOKEN;
use crate::support::server::plain;
use crate::support::{Script, TestGate, TestServer};

/// Nothing here takes as long, unless the gate waits without end.
const AT_MOST: Duration = Duration::from_secs(20);
const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}"#;
const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

/// A gate that waits a fifth of a second for a client, and has two places for a grant. Its server
/// answers calls with more than the connection's buffers hold.
async fn impatient(places: usize) -> TestGate {
    let large = "x".repeat(15 * 1024 * 1024);
    let server = TestServer::start(move |seen| match seen.rpc_method().as_str() {
        "tools/call" => Script::result(seen, &json!({ "x": large })),
        _ => plain(seen, &tools(&["t"])),
    })
    .await;
    let gate = TestGate::planned(|plan| {
        plan.default_timeout = AT_MOST;
        plan.front = FrontSettings {
            patience: Patience {
                head: AT_MOST,
                idle: AT_MOST,
                stall: Duration::from_millis(200),
            },
            max_per_grant: places,
            ..FrontSettings::default()
        };
    })
    .await;
    gate.furnished(&server.url(), &allowing(&["t"])).await
}

fn request(gate: &TestGate, body: &'static str) -> Request<Full<Bytes>> {
    Request::post(format!("http://{}/mcp/s", gate.node.address()))
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .unwrap()
}

/// Whether every place becomes free again.
async fn all_places_are_free(gate: &TestGate) -> bool {
    for _ in 0..500 {
        let answer = gate.post(PING).await;
        if answer.status == StatusCode::OK {
            return true;
        }
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

#[tokio::test]
async fn a_plain_answer_that_is_not_read_is_given_up() {
    let gate = impatient(1).await;
    // With a small buffer of its own, for else the kernel takes the answer for it.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut client = socket.connect(gate.node.address()).await.unwrap();
    let head = format!(
        "POST /mcp/s HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{CALL}",
        gate.node.address(),
        CALL.len()
    );
    client.write_all(head.as_bytes()).await.unwrap();
    // The answer has begun: its call's place is taken.
    client.readable().await.unwrap();
    assert_eq!(gate.post(PING).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(all_places_are_free(&gate).await);
    drop(client);
}

/// A client of HTTP/2 that lets so many bytes of an answer come before it has read any.
async fn one_of_many(
    gate: &TestGate,
    window: u32,
) -> (SendRequest<Full<Bytes>>, JoinHandle<hyper::Result<()>>) {
    let stream = TcpStream::connect(gate.node.address()).await.unwrap();
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(window)
        .initial_connection_window_size(1024 * 1024)
        .handshake(TokioIo::new(stream))
        .await
        .unwrap();
    (sender, tokio::spawn(connection))
}

async fn read(answer: Response<Incoming>) -> hyper::Result<Bytes> {
    let reading = timeout(AT_MOST, answer.into_body().collect());
    let read = reading.await.expect("the answer must end");
    read.map(http_body_util::Collected::to_bytes)
}

#[tokio::test]
async fn one_answer_that_is_not_taken_does_not_harm_the_others() {
    let gate = impatient(1).await;
    let (mut client, connection) = one_of_many(&gate, 40 * 1024).await;
    let stuck = client.send_request(request(&gate, CALL)).await.unwrap();
    assert_eq!(stuck.status(), StatusCode::OK);
    let crowded = client.send_request(request(&gate, PING)).await.unwrap();
    assert_eq!(crowded.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(all_places_are_free(&gate).await);
    // The same connection goes on, and only the one answer breaks off.
    let other = client.send_request(request(&gate, PING)).await.unwrap();
    assert_eq!(
        read(other).await.unwrap(),
        r#"{"id":1,"jsonrpc":"2.0","result":{}}"#
    );
    assert!(read(stuck).await.is_err());
    assert!(!connection.is_finished());
}

#[tokio::test]
async fn an_answer_that_is_taken_comes_whole() {
    let gate = impatient(1).await;
    for window in [1_000, 40 * 1024, 1024 * 1024] {
        let (mut client, _connection) = one_of_many(&gate, window).await;
        let answer = client.send_request(request(&gate, CALL)).await.unwrap();
        let length = answer.headers()["content-length"].clone();
        let whole = read(answer).await.unwrap();
        assert_eq!(length, whole.len().to_string());
        assert!(whole.len() > 15 * 1024 * 1024 && whole.ends_with(b"xxx\"}}"));
    }
    assert!(all_places_are_free(&gate).await);
}

#[tokio::test]
async fn a_small_answer_that_is_not_taken_is_given_up_as_well() {
    let gate = impatient(2).await;
    let (mut client, connection) = one_of_many(&gate, 0).await;
    let mut stuck = Vec::new();
    for _ in 0..2 {
        stuck.push(client.send_request(request(&gate, PING)).await.unwrap());
    }
    assert_eq!(gate.post(PING).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(all_places_are_free(&gate).await);
    assert!(!connection.is_finished());
    // Whoever leaves many behind is let go of.
    for _ in 0..20 {
        assert!(all_places_are_free(&gate).await);
        let Ok(answer) = client.send_request(request(&gate, PING)).await else {
            break;
        };
        stuck.push(answer);
    }
    let ended = timeout(AT_MOST, connection).await;
    ended.expect("the connection must be closed").unwrap().ok();
    assert!(stuck.len() > 8, "{}", stuck.len());
}
