//! The gate's own conversation with a server: reading its whole tool list.
//!
//! Nothing of a caller is in it. It shakes hands the old way first, for most servers still want it,
//! and falls back to a request of the modern era, which stands for itself.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use portreeve_policy::json::{Rules, Value, parse};
use tokio::time::timeout;

use super::{
    Connector, Incoming, IncomingBody, Outgoing, UpstreamError, UpstreamSession, Verb, Whose,
    definition_of,
};
use crate::mcp::header;
use crate::mcp::method::DISCOVER;
use crate::mcp::revision::{self, Era};
use crate::store::model::{Definition, MAX_PINS};

/// A list longer than this is refused whole: pins must not be a way to fill the store.
const MAX_TOOLS: usize = MAX_PINS;
const MAX_BYTES: usize = 64 * 1024 * 1024;
const MAX_PAGES: usize = 1_000;
const WHOLE_CONVERSATION: Duration = Duration::from_secs(30);
const SHORT_CONVERSATION: Duration = Duration::from_secs(5);

/// What a server said of itself.
#[derive(Debug)]
pub struct Discovered {
    pub tools: Vec<Definition>,
    /// How it was spoken to. One that shakes hands may speak the modern era as well.
    pub era: Era,
}

/// Reads every page of a server's tool list.
pub async fn discover(connector: &Connector) -> Result<Discovered, UpstreamError> {
    let reading = async {
        let (tools, era) = match Conversation::open(connector).await {
            Ok(conversation) => {
                let list = conversation.all_tools().await;
                conversation.close().await;
                (list?, Era::Legacy)
            }
            Err(Opening::Failed(error)) => return Err(error),
            Err(Opening::NotLegacy) => {
                let modern = Conversation::modern(connector, "tools/list");
                (modern.all_tools().await?, Era::Modern)
            }
        };
        Ok(Discovered { tools, era })
    };
    timeout(WHOLE_CONVERSATION, reading)
        .await
        .map_err(|_| UpstreamError::Timeout(WHOLE_CONVERSATION))?
}

/// Whether a server speaks an era. An error says why it could not be asked.
pub async fn speaks(connector: &Connector, era: Era) -> Result<bool, UpstreamError> {
    let asking = async {
        match era {
            Era::Legacy => match Conversation::open(connector).await {
                Ok(conversation) => {
                    conversation.close().await;
                    Ok(true)
                }
                Err(Opening::NotLegacy) => Ok(false),
                Err(Opening::Failed(error)) => Err(error),
            },
            Era::Modern => {
                Conversation::modern(connector, DISCOVER)
                    .is_understood()
                    .await
            }
        }
    };
    match timeout(SHORT_CONVERSATION, asking).await {
        Ok(answer) => answer,
        // A process of the older era may be silent before it has been greeted.
        Err(_) if era == Era::Modern && matches!(connector, Connector::Stdio(_)) => Ok(false),
        Err(_) => Err(UpstreamError::Timeout(SHORT_CONVERSATION)),
    }
}

/// Why the old handshake did not succeed.
enum Opening {
    NotLegacy,
    Failed(UpstreamError),
}

struct Conversation<'a> {
    connector: &'a Connector,
    headers: HeaderMap,
    modern: bool,
    /// Kept for as long as it is spoken in.
    session: Option<UpstreamSession>,
}

impl<'a> Conversation<'a> {
    async fn open(connector: &'a Connector) -> Result<Self, Opening> {
        let mut conversation = Self {
            connector,
            headers: HeaderMap::new(),
            modern: false,
            session: None,
        };
        if let Connector::Stdio(server) = connector {
            // It has shaken hands with a process that serves requests without a session.
            return match server.greet().await {
                Ok(true) => Ok(conversation),
                Ok(false) => Err(Opening::NotLegacy),
                Err(error) => Err(Opening::Failed(error)),
            };
        }
        let hello = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{}","capabilities":{{}},"clientInfo":{{"name":"portreeve","version":"{}"}}}}}}"#,
            revision::NEWEST_LEGACY,
            env!("CARGO_PKG_VERSION"),
        );
        let mut incoming = conversation.post(hello).await.map_err(Opening::Failed)?;
        if incoming.status.is_client_error() && incoming.status.as_u16() < 405 {
            return match incoming.status.as_u16() {
                401 | 403 => Err(Opening::Failed(UpstreamError::Nonsense(format!(
                    "HTTP {}: it does not accept the gate's credentials",
                    incoming.status
                )))),
                _ => Err(Opening::NotLegacy),
            };
        }
        conversation.session = incoming.session.take();
        if let Some(session) = &conversation.session {
            let id = session.id.clone();
            conversation.headers.insert(header::SESSION_ID, id);
        }
        let answer = answer_to_our(incoming).await.map_err(Opening::Failed)?;
        let version = with_result(&answer, |result| {
            let version = result.get("protocolVersion").and_then(Value::as_str);
            Ok(version.map(str::to_owned))
        });
        let Ok(Some(version)) = version else {
            return Err(Opening::NotLegacy);
        };
        if let Ok(version) = HeaderValue::from_str(&version) {
            conversation
                .headers
                .insert(header::PROTOCOL_VERSION, version);
        }
        let ready = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        conversation
            .post(ready.to_owned())
            .await
            .map_err(Opening::Failed)?;
        Ok(conversation)
    }

    fn modern(connector: &'a Connector, method: &'static str) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::PROTOCOL_VERSION,
            HeaderValue::from_static(revision::MODERN),
        );
        headers.insert(header::METHOD, HeaderValue::from_static(method));
        Self {
            connector,
            headers,
            modern: true,
            session: None,
        }
    }

    async fn post(&self, message: String) -> Result<Incoming, UpstreamError> {
        let verb = Verb::Post(Bytes::from(message));
        self.connector
            .send(Outgoing {
                verb,
                headers: self.headers.clone(),
                whose: Whose::GATE,
            })
            .await
    }

    /// Ends the session; a server that does not want to hear it loses nothing.
    async fn close(self) {
        if self.session.is_some() {
            let farewell = Outgoing {
                verb: Verb::Delete,
                headers: self.headers,
                whose: Whose::GATE,
            };
            if let Err(error) = self.connector.send(farewell).await {
                tracing::debug!(%error, "the session opened for reading tools was not closed");
            }
        }
    }

    /// Whether the server answers as one of the modern era does.
    async fn is_understood(&self) -> Result<bool, UpstreamError> {
        let request = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"{DISCOVER}","params":{{{}}}}}"#,
            meta_of_ours()
        );
        let incoming = self.post(request).await?;
        if incoming.status.is_server_error() {
            let what = format!("HTTP {} to {DISCOVER}", incoming.status);
            return Err(nonsense(what));
        }
        let Ok(answer) = answer_to_our(incoming).await else {
            return Ok(false);
        };
        let tree = parse(&answer, Rules::MESSAGE).map_err(|e| nonsense(e.to_string()))?;
        let result = tree
            .get("result")
            .and_then(|result| result.get("supportedVersions"));
        // A server that does not speak our revision of the era says which it speaks.
        let refused = tree.get("error").and_then(|error| error.get("data"));
        let versions = result.or_else(|| refused?.get("supported"));
        let mut versions = versions
            .and_then(Value::elements)
            .unwrap_or_default()
            .iter();
        let is_modern = |version: &Value<'_>| {
            let version = version.as_str();
            version.is_some_and(|version| revision::era(version) == Era::Modern)
        };
        Ok(versions.any(is_modern))
    }

    async fn all_tools(&self) -> Result<Vec<Definition>, UpstreamError> {
        let mut tools: Vec<Definition> = Vec::new();
        let mut bytes = 0;
        let mut cursors_seen = HashSet::new();
        let mut cursor: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let request = self.list_request(cursor.as_deref());
            let answer = answer_to_our(self.post(request).await?).await?;
            bytes += answer.len();
            if bytes > MAX_BYTES {
                return Err(nonsense(format!(
                    "its tool list is longer than {MAX_BYTES} bytes"
                )));
            }
            cursor = with_result(&answer, |result| take_page(result, &answer, &mut tools))?;
            match &cursor {
                None => return Ok(tools),
                Some(again) if !cursors_seen.insert(again.clone()) => {
                    return Err(nonsense("its tool list runs in a circle"));
                }
                Some(_) => {}
            }
        }
        Err(nonsense("its tool list has too many pages"))
    }

    fn list_request(&self, cursor: Option<&str>) -> String {
        let mut members = Vec::new();
        if let Some(cursor) = cursor {
            members.push(format!(r#""cursor":{}"#, serde_json::Value::from(cursor)));
        }
        if self.modern {
            members.push(meta_of_ours());
        }
        let members = members.join(",");
        format!(r#"{{"jsonrpc":"2.0","id":0,"method":"tools/list","params":{{{members}}}}}"#)
    }
}

/// What every request of the modern era carries.
fn meta_of_ours() -> String {
    format!(
        r#""_meta":{{"{}":"{}","io.modelcontextprotocol/clientInfo":{{"name":"portreeve","version":"{}"}},"io.modelcontextprotocol/clientCapabilities":{{}}}}"#,
        revision::META_PROTOCOL_VERSION,
        revision::MODERN,
        env!("CARGO_PKG_VERSION"),
    )
}

fn nonsense(words: impl Into<String>) -> UpstreamError {
    UpstreamError::Nonsense(words.into())
}

/// The message that answers request 0, whether it came alone or in a stream.
async fn answer_to_our(incoming: Incoming) -> Result<Bytes, UpstreamError> {
    match incoming.body {
        IncomingBody::Json(bytes) => Ok(bytes),
        IncomingBody::Events(mut events) => {
            while let Some(event) = events.next(WHOLE_CONVERSATION).await? {
                let is_answer = parse(&event.data, Rules::MESSAGE)
                    .is_ok_and(|m| m.get("id").is_some() && m.get("method").is_none());
                if is_answer {
                    return Ok(event.data);
                }
            }
            Err(nonsense("the stream ended without an answer"))
        }
        IncomingBody::Empty => Err(nonsense(format!("HTTP {} without a body", incoming.status))),
        IncomingBody::Other(what) => Err(nonsense(what)),
    }
}

/// Reads `result` of a response; an error response becomes our error.
fn with_result<T>(
    answer: &Bytes,
    read: impl FnOnce(&Value<'_>) -> Result<T, UpstreamError>,
) -> Result<T, UpstreamError> {
    let tree = parse(answer, Rules::MESSAGE).map_err(|e| nonsense(e.to_string()))?;
    if let Some(result) = tree.get("result") {
        return read(result);
    }
    let message = tree
        .get("error")
        .and_then(|e| e.get("message"))
        .and_then(Value::as_str);
    Err(nonsense(match message {
        Some(words) => format!("it answers with an error: {}", words.escape_debug()),
        None => "neither a result nor an error".to_owned(),
    }))
}

/// Takes a page's tools; returns the cursor of the next page.
fn take_page(
    result: &Value<'_>,
    text: &[u8],
    tools: &mut Vec<Definition>,
) -> Result<Option<String>, UpstreamError> {
    let page = result.get("tools").and_then(Value::elements);
    for tool in page.ok_or_else(|| nonsense("its tool list has no `tools`"))? {
        tools.push(definition_of(tool, text).map_err(|e| nonsense(e.to_string()))?);
        if tools.len() > MAX_TOOLS {
            return Err(nonsense(format!("it shows more than {MAX_TOOLS} tools")));
        }
    }
    match result.get("nextCursor") {
        None => Ok(None),
        Some(cursor) if cursor.is_null() => Ok(None),
        Some(cursor) => match cursor.as_str() {
            // An empty cursor would ask for the first page again and again.
            Some("") => Ok(None),
            Some(cursor) => Ok(Some(cursor.to_owned())),
            None => Err(nonsense("`nextCursor` is not a string")),
        },
    }
}
