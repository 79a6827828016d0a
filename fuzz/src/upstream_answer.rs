//! Bytes from a hostile server: whatever it answers, the client gets messages of the right form
//! that answer its request, and no list shows a tool that is not allowed and pinned.
//!
//! Three bytes say what is asked, how the answer is declared and in which pieces it comes; the
//! rest is the answer.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use portreeve::gate::{Payload, Reply, Status};
use portreeve::mcp::sse::Cutter;
use portreeve_policy::json::{Rules, canonical, parse};
use serde_json::json;
use serde_json::value::RawValue;

use super::json;
use super::room::{Room, Script, definitions, means_the_resource};
use super::sse::{self, Breaks};
use super::tape::Tape;

/// After so many the room is cleared, for its ledger and its pins grow.
const MAX_INPUTS: u32 = 20_000;
const MAX_DRIFTS: u32 = 200;

pub fn check(input: &[u8]) {
    static SCENE: OnceLock<Mutex<Scene>> = OnceLock::new();
    let scene = SCENE.get_or_init(|| Mutex::new(Scene::new()));
    let mut scene = scene.lock().unwrap_or_else(PoisonError::into_inner);
    if scene.inputs > MAX_INPUTS || scene.drifts > MAX_DRIFTS {
        *scene = Scene::new();
    }
    scene.play(input);
}

struct Scene {
    room: Room,
    /// The canonical definitions of the tools that may be seen.
    pinned: Vec<String>,
    inputs: u32,
    drifts: u32,
    /// A session of the legacy era, in which a server may ask questions too.
    session: String,
    /// How often it may be used before it is left for another.
    uses: u8,
}

/// What is asked.
struct Asked {
    method: &'static str,
    id: serde_json::Value,
    modern: bool,
    in_session: bool,
}

impl Scene {
    fn new() -> Self {
        let definitions = definitions();
        let visible = [&definitions[0], &definitions[1]].map(|definition| {
            let text = definition.to_string();
            canonical(&parse(text.as_bytes(), Rules::MESSAGE).expect("a definition"))
        });
        Self {
            room: Room::new(),
            pinned: visible.to_vec(),
            inputs: 0,
            drifts: 0,
            session: String::new(),
            uses: 0,
        }
    }

    fn play(&mut self, input: &[u8]) {
        self.inputs += 1;
        let mut tape = Tape::new(input);
        let asked = Asked::read(tape.byte());
        let script = script(&mut tape);
        let resumable = script.media == "text/event-stream" && has_ids(&script.body);
        if asked.in_session {
            self.keep_session();
        }
        if self.inputs.is_multiple_of(500) {
            // Sessions that lie idle are forgotten, so that there is room for others.
            self.room.pass(Duration::from_hours(13));
            self.room.gate.sweep_sessions();
            self.uses = 0;
            self.keep_session();
        }
        let before = self.room.gate.registry();
        self.room.answer_with(Some(script));
        let (reply, body) = self.ask(&asked);
        self.room.answer_with(None);
        self.judge(&asked, &reply, &body, resumable);
        if reply.status == Status::NoSession {
            self.uses = 0;
        }
        if !Arc::ptr_eq(&before, &self.room.gate.registry()) {
            self.drifts += 1;
            self.restore();
        }
        self.room.take_seen();
    }

    fn keep_session(&mut self) {
        if self.uses == 0 {
            self.room.answer_with(None);
            let (reply, _) = self.ask(&Asked {
                method: "initialize",
                ..Asked::read(0)
            });
            let session = reply.session.expect("a session");
            session.as_str().clone_into(&mut self.session);
            self.uses = u8::MAX;
        }
        self.uses -= 1;
    }

    fn ask(&self, asked: &Asked) -> (Reply, Vec<u8>) {
        let mut params = match asked.method {
            "tools/call" => json!({ "name": "allowed", "arguments": {} }),
            "initialize" => json!({ "protocolVersion": "2025-11-25", "capabilities": {} }),
            "resources/read" => json!({ "uri": "file:///ok" }),
            _ => json!({}),
        };
        let mut headers: Vec<(&str, &str)> = vec![("mcp-method", asked.method)];
        if asked.in_session {
            headers.push(("mcp-session-id", &self.session));
        }
        if asked.modern {
            headers.push(("mcp-protocol-version", "2026-07-28"));
            params["_meta"] = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28" });
        }
        match asked.method {
            "tools/call" => headers.push(("mcp-name", "allowed")),
            "resources/read" => headers.push(("mcp-name", "file:///ok")),
            _ => {}
        }
        let message = json!({
            "jsonrpc": "2.0", "id": asked.id, "method": asked.method, "params": params,
        });
        let asking = self.room.post(&headers, message.to_string());
        self.room.runtime.block_on(asking)
    }

    /// The client's view, by readers that are not the gate's.
    fn judge(&self, asked: &Asked, reply: &Reply, body: &[u8], resumable: bool) {
        let messages = match reply.payload {
            Payload::Nothing => panic!("a request without an answer"),
            Payload::Message(_) => vec![String::from_utf8(body.to_vec()).expect("UTF-8")],
            Payload::Events(_) => {
                let one = sse::read(body, Breaks::All);
                for other in [Breaks::NoLoneCr, Breaks::Unicode] {
                    assert_eq!(one, sse::read(body, other), "two readers, two streams");
                }
                one
            }
        };
        // Only what the gate itself has no request for may lack its id.
        let about_request = !matches!(reply.status, Status::NoSession);
        let mut answers = 0;
        for message in &messages {
            let raw = json::read(message.as_bytes());
            let raw = raw.unwrap_or_else(|| panic!("not JSON: {message:?}"));
            answers += usize::from(self.judge_message(asked, raw, about_request));
        }
        assert!(answers > 0 || resumable, "no answer in {messages:?}");
    }

    /// Whether the message answers the request; panics if it is none that may come.
    fn judge_message(&self, asked: &Asked, message: &RawValue, about_request: bool) -> bool {
        let like = |name: &str| json::members_like(message, name);
        let [results, errors, ids] = [like("result"), like("error"), like("id")];
        if let [method] = like("method").as_slice() {
            let method = json::text(method).expect("a method is a string");
            if !ids.is_empty() {
                assert!(asked.in_session, "a question without a session: {message}");
            }
            if !method.starts_with("notifications/") {
                judge_question(message);
            }
            assert!(results.is_empty() && errors.is_empty(), "{message}");
            return false;
        }
        assert!(like("method").is_empty(), "{message}");
        assert_eq!(results.len() + errors.len(), 1, "{message}");
        let [id] = ids.as_slice() else {
            panic!("not one id: {message}");
        };
        let id: serde_json::Value = serde_json::from_str(id.get()).expect("an id");
        let earlier = id == json!(7) || id == json!("req-1");
        if asked.in_session && id != asked.id && earlier {
            // It answers an earlier request, whose own stream ended before.
            return false;
        }
        assert!(
            id == asked.id || (!about_request && id.is_null()),
            "{message}"
        );
        if let [result] = results.as_slice() {
            self.judge_result(asked.method, result);
        }
        true
    }

    fn judge_result(&self, method: &str, result: &RawValue) {
        let (list, name, visible) = match method {
            "tools/list" => ("tools", "name", &["allowed", "denied"][..]),
            "prompts/list" => ("prompts", "name", &["ok"][..]),
            "resources/list" => ("resources", "uri", &[][..]),
            "resources/templates/list" => ("resourcetemplates", "uritemplate", &[][..]),
            _ => return judge_inputs(result),
        };
        for shown in json::members_like(result, list) {
            let shown = json::elements(shown).expect("a list is an array");
            for element in shown {
                for name in json::members_like(element, name) {
                    let name = json::text(name).expect("a name is a string");
                    // A URI may be spelled in other ways.
                    let same = visible.contains(&name.as_str())
                        || (method.starts_with("resources/") && means_the_resource(&name));
                    assert!(same, "{element}");
                }
                if method == "tools/list" {
                    let element = parse(element.get().as_bytes(), Rules::MESSAGE);
                    let definition = canonical(&element.expect("strict JSON"));
                    assert!(self.pinned.contains(&definition), "{definition}");
                }
            }
        }
    }

    /// Once the server shows again what was accepted, it is seen again. A server that changes its
    /// mind all the time is taken note of now and then only.
    fn restore(&self) {
        self.room.pass(Duration::from_mins(1));
        let asked = Asked::read(0);
        let (_, body) = self.ask(&asked);
        let list: serde_json::Value = serde_json::from_slice(&body).expect("a list");
        let tools = list["result"]["tools"].as_array().expect("tools");
        assert_eq!(tools.len(), self.pinned.len(), "{list}");
    }
}

/// What a result asks of the client.
fn judge_inputs(result: &RawValue) {
    for requests in json::members_like(result, "inputrequests") {
        for (_, request) in json::members(requests).unwrap_or_default() {
            judge_question(request);
        }
    }
}

/// What is asked of the client is no more than the policy lets the server ask.
fn judge_question(request: &RawValue) {
    for method in json::members_like(request, "method") {
        let method = json::text(method).expect("a method is a string");
        let may = ["elicitation/create", "roots/list", "ping", "x/ok"];
        assert!(may.contains(&method.as_str()), "{request}");
        let modes = json::members_like(request, "params")
            .into_iter()
            .flat_map(|params| json::members_like(params, "mode"))
            .filter(|_| method == "elicitation/create");
        for mode in modes {
            assert_eq!(json::text(mode).as_deref(), Some("form"), "{request}");
        }
    }
}

impl Asked {
    fn read(byte: u8) -> Self {
        const METHODS: [&str; 8] = [
            "tools/list",
            "tools/call",
            "ping",
            "prompts/list",
            "resources/list",
            "resources/templates/list",
            "resources/read",
            "initialize",
        ];
        let method = METHODS.get(usize::from(byte & 7)).copied();
        Self {
            method: method.unwrap_or("ping"),
            id: if byte & 8 == 0 {
                json!(7)
            } else {
                json!("req-1")
            },
            modern: byte & 16 != 0,
            in_session: byte & 0x30 == 0x20,
        }
    }
}

fn script(tape: &mut Tape<'_>) -> Script {
    let flags = tape.byte();
    let piece = usize::from(tape.byte());
    let statuses = [200, 200, 200, 400, 404, 500, 301, 202];
    let status = statuses.get(usize::from(flags >> 1 & 7)).copied();
    Script {
        status: StatusCode::from_u16(status.unwrap_or(200)).unwrap_or_default(),
        media: if flags & 1 == 0 {
            "application/json"
        } else {
            "text/event-stream"
        },
        body: Bytes::copy_from_slice(tape.clone().rest()),
        session: flags & 16 != 0,
        piece: if piece == 0 { usize::MAX } else { piece },
    }
}

/// A stream whose events have ids may be resumed, and so may end without its answer.
fn has_ids(stream: &[u8]) -> bool {
    let mut cutter = Cutter::new(usize::MAX);
    cutter.push(stream);
    while let Ok(Some(event)) = cutter.next_event() {
        if event.id.is_some() {
            return true;
        }
    }
    false
}
