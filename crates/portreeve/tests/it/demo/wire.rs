//! A plain HTTP client, and a demo server to talk to.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use portreeve::demo::{Handle, Options, serve_http};
use serde_json::Value;
use tokio::net::TcpListener;

pub(super) struct Wire {
    pub(super) handle: Handle,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Got {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(super) fn error_code(&self) -> i64 {
        self.json()["error"]["code"].as_i64().unwrap()
    }
}

type Headers<'a> = &'a [(&'a str, &'a str)];

impl Wire {
    pub(super) async fn start(options: &Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self {
            handle: serve_http(listener, options).unwrap(),
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    pub(super) async fn open(
        &self,
        method: Method,
        headers: Headers<'_>,
        body: String,
    ) -> http::Response<Incoming> {
        let mut request = Request::builder().method(method).uri(self.handle.url());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body)).unwrap();
        self.client.request(request).await.unwrap()
    }

    pub(super) async fn send(&self, method: Method, headers: Headers<'_>, body: String) -> Got {
        let (parts, body) = self.open(method, headers, body).await.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Got {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// A POST of JSON.
    pub(super) async fn post(&self, headers: Headers<'_>, body: &Value) -> Got {
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers);
        self.send(Method::POST, &all, body.to_string()).await
    }

    /// A POST whose answer is read event by event.
    pub(super) async fn stream(&self, headers: Headers<'_>, body: &Value) -> Events {
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers);
        Events::of(self.open(Method::POST, &all, body.to_string()).await)
    }
}

/// Server-sent events, one message at a time.
pub(super) struct Events {
    body: Incoming,
    text: String,
}

impl Events {
    pub(super) fn of(response: http::Response<Incoming>) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            body: response.into_body(),
            text: String::new(),
        }
    }

    /// The next message; nothing when the stream has ended.
    pub(super) async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                let message = data.map(|data| serde_json::from_str(data).unwrap());
                self.text = String::from(rest);
                if message.is_some() {
                    return message;
                }
            }
            let frame = self.body.frame().await?.unwrap();
            let data = frame.into_data().unwrap();
            self.text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }

    pub(super) async fn all(mut self) -> Vec<Value> {
        let mut messages = Vec::new();
        while let Some(message) = self.next().await {
            messages.push(message);
        }
        messages
    }
}
