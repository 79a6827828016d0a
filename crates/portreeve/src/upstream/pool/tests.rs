use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use super::*;
use crate::upstream::http::https;

const FINE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine";
/// Nothing here takes as long, unless something waits without end.
const AT_MOST: Duration = Duration::from_secs(20);
const A_MOMENT: Duration = Duration::from_millis(100);

/// What a server does with the request that it has read.
enum Then {
    Say(&'static [u8]),
    SayAndClose(&'static [u8]),
    /// Something more, after a moment.
    SayMore(&'static [u8], &'static [u8]),
    Close,
}

/// A server that knows TCP only.
struct Server {
    url: Uri,
    connector: Connector,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    /// Connections that the other side has closed.
    closed: Arc<AtomicUsize>,
}

impl Server {
    /// Does with the `n`th request, on whatever connection, what `script` says.
    async fn start(script: fn(usize) -> Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            url: format!("http://{}/", listener.local_addr().unwrap())
                .parse()
                .unwrap(),
            connector: Connector::Open(https(HttpConnector::new()).unwrap()),
            connections: Arc::default(),
            requests: Arc::default(),
            closed: Arc::default(),
        };
        let connections = Arc::clone(&server.connections);
        let (requests, closed) = (Arc::clone(&server.requests), Arc::clone(&server.closed));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (requests, closed) = (Arc::clone(&requests), Arc::clone(&closed));
                tokio::spawn(async move {
                    if serve(stream, &requests, script).await.is_none() {
                        closed.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        server
    }

    async fn send(&self, pool: &Arc<Pool>) -> Result<Response<Answer>, UpstreamError> {
        self.send_as(Whose::GATE, pool).await
    }

    async fn send_as(
        &self,
        whose: Whose,
        pool: &Arc<Pool>,
    ) -> Result<Response<Answer>, UpstreamError> {
        let mut request = Request::new(Full::new(Bytes::from_static(b"{}")));
        *request.method_mut() = http::Method::POST;
        request.headers_mut().insert("host", "x".parse().unwrap());
        let sending = pool.send(whose, (&self.connector, &self.url), request, AT_MOST / 2);
        timeout(AT_MOST, sending).await.expect("an end")
    }

    /// The whole answer, as text.
    async fn ask(&self, pool: &Arc<Pool>) -> Result<String, UpstreamError> {
        let body = self.send(pool).await?.into_body();
        let whole = timeout(AT_MOST, body.collect()).await.expect("an end");
        let whole = whole.map_err(|error| UpstreamError::Broken(innermost(&error)))?;
        Ok(String::from_utf8(whole.to_bytes().to_vec()).unwrap())
    }

    fn counts(&self) -> (usize, usize) {
        let count = |of: &AtomicUsize| of.load(Ordering::SeqCst);
        (count(&self.connections), count(&self.requests))
    }

    async fn have_closed(&self, count: usize) -> bool {
        for _ in 0..200 {
            if self.closed.load(Ordering::SeqCst) == count {
                return true;
            }
            sleep(A_MOMENT / 10).await;
        }
        false
    }
}

/// `None` if it is the other side that closed.
async fn serve(
    mut stream: TcpStream,
    requests: &AtomicUsize,
    script: fn(usize) -> Then,
) -> Option<()> {
    let mut came = Vec::new();
    loop {
        while !came.ends_with(b"{}") {
            if stream.read_buf(&mut came).await.ok()? == 0 {
                return None;
            }
        }
        came.clear();
        match script(requests.fetch_add(1, Ordering::SeqCst)) {
            Then::Say(words) => stream.write_all(words).await.ok()?,
            Then::SayAndClose(words) => {
                stream.write_all(words).await.ok()?;
                return Some(());
            }
            Then::SayMore(words, more) => {
                stream.write_all(words).await.ok()?;
                sleep(A_MOMENT / 5).await;
                stream.write_all(more).await.ok()?;
            }
            Then::Close => return Some(()),
        }
    }
}

#[tokio::test]
async fn a_connection_is_used_again() {
    const PIECES: &[u8] =
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n";
    const NOTHING: &[u8] = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";
    let server = Server::start(|n| match n % 3 {
        0 => Then::Say(FINE),
        1 => Then::Say(PIECES),
        _ => Then::Say(NOTHING),
    })
    .await;
    let pool = Arc::default();
    for n in 0..9 {
        let expected = if n % 3 == 2 { "" } else { "fine" };
        assert_eq!(server.ask(&pool).await, Ok(expected.to_owned()), "{n}");
    }
    assert_eq!(server.counts(), (1, 9));
    let (one, other) = tokio::join!(server.send(&pool), server.send(&pool));
    assert!(one.is_ok() && other.is_ok());
    assert_eq!(server.counts(), (2, 11), "one request at a time on each");
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_is_replaced() {
    let server = Server::start(|_| Then::SayAndClose(FINE)).await;
    let pool = Arc::default();
    for _ in 0..3 {
        assert_eq!(server.ask(&pool).await.as_deref(), Ok("fine"));
        sleep(A_MOMENT).await;
    }
    assert_eq!(server.counts(), (3, 3));
}

#[tokio::test]
async fn a_call_is_sent_once() {
    let server = Server::start(|n| match n {
        0 => Then::Say(FINE),
        _ => Then::Close,
    })
    .await;
    let pool = Arc::default();
    assert_eq!(server.ask(&pool).await.as_deref(), Ok("fine"));
    // On the kept connection, and on a fresh one.
    for count in 2..4 {
        let failed = server.ask(&pool).await;
        assert!(
            matches!(failed, Err(UpstreamError::Broken(_))),
            "{failed:?}"
        );
        assert_eq!(server.counts().1, count);
    }
}

#[tokio::test]
async fn nothing_is_sent_where_nobody_listens() {
    let server = Server::start(|_| Then::Close).await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = format!("http://{}/", free.local_addr().unwrap());
    drop(free);
    let nowhere = Server {
        url: nowhere.parse().unwrap(),
        ..server
    };
    let failed = nowhere.send(&Arc::default()).await.map(drop);
    assert!(
        matches!(failed, Err(UpstreamError::Unreachable(_))),
        "{failed:?}"
    );
}

#[tokio::test]
async fn what_nobody_asked_for_answers_nobody() {
    const OTHER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nother";
    const BOTH: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfineHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nother";
    for script in [
        (|_| Then::SayMore(FINE, OTHER)) as fn(usize) -> Then,
        |_| Then::Say(BOTH),
    ] {
        let server = Server::start(script).await;
        let pool = Arc::default();
        for _ in 0..3 {
            assert_eq!(server.ask(&pool).await.as_deref(), Ok("fine"));
            sleep(A_MOMENT).await;
        }
        assert_eq!(server.counts(), (3, 3));
    }
}

#[tokio::test]
async fn an_answer_that_nobody_takes_ends_its_connection() {
    const ENDLESS: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n";
    let server = Server::start(|_| Then::Say(ENDLESS)).await;
    let pool = Arc::default();
    let mut body = server.send(&pool).await.unwrap().into_body();
    let first = timeout(AT_MOST, body.frame()).await.expect("an end");
    assert_eq!(first.unwrap().unwrap().into_data().unwrap(), "x");
    drop(body);
    assert!(server.have_closed(1).await);
    // The same if it is not waited for.
    let given_up = timeout(A_MOMENT, server.send(&pool)).await;
    drop(given_up);
    assert!(server.have_closed(2).await);
}

#[tokio::test]
async fn what_is_not_used_is_closed() {
    let server = Server::start(|_| Then::Say(FINE)).await;
    let pool = Arc::new(Pool::keeping_for(A_MOMENT));
    let both = tokio::join!(server.ask(&pool), server.ask(&pool));
    assert!(both.0.is_ok() && both.1.is_ok());
    assert!(server.have_closed(2).await);
    assert_eq!(server.ask(&pool).await.as_deref(), Ok("fine"));
    assert!(server.have_closed(3).await, "and so again");
}

#[tokio::test]
async fn a_caller_has_connections_of_its_own() {
    let server = Server::start(|_| Then::Say(FINE)).await;
    let pool = Arc::default();
    for _ in 0..3 {
        for whose in [Whose::GATE, Whose::caller("alice"), Whose::caller("bob")] {
            let body = server.send_as(whose, &pool).await.unwrap().into_body();
            assert_eq!(body.collect().await.unwrap().to_bytes(), "fine");
        }
    }
    assert_eq!(server.counts(), (3, 9));
}
