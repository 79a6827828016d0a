//! Calls that people must approve: what the rules say, over every way that agents and servers come,
//! and in gates that are processes of their own.

mod every_way;
mod processes;
mod rules;
mod wrapped;

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use http::StatusCode;
use portreeve::admin::{ApprovalView, Credential, Failure, Plain, Request, Response};
use portreeve::name::Label;
use portreeve::store::approval::{Says, State};
use portreeve::store::model::{NewTools, Target};
use portreeve::store::person::Role;
use serde_json::{Value, json};

use crate::stdio::{eventually, initialize, lives, script};
use crate::support::caller::{Caller, OverHttp, OverLines, calling};
use crate::support::gate::{PORTREEVE, TOKEN};
use crate::support::server::{Seen, plain};
use crate::support::{Script, TestGate, TestServer};

/// People are asked about every call of `act`; the agent is kept waiting for so long.
fn asking(hold: &str, more: &str) -> String {
    format!(
        r#"{{"version":"1","default":"deny","tools":{{"act":{{
            "limits":[{{"counter":"c","window":"hour","max":3}}],
            "require_approval":[{{"conditions":[],"hold":"{hold}","message":"mind the gap."{more}}}]
        }}}}}}"#
    )
}

/// How the agent comes to the gate, and the gate to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// HTTP on both sides.
    Http,
    /// An agent over HTTP, a server that is a process.
    StdioServer,
    /// An agent that speaks in lines to `portreeve stdio`, a server over HTTP.
    StdioClient,
    /// An agent that speaks in lines to `portreeve wrap`, a server that is a process.
    Wrapped,
}

/// A server with the tool `act`, which does what its argument `do` says.
enum Behind {
    Http(TestServer),
    Process { log: PathBuf },
}

fn script_of(seen: &Seen) -> Script {
    let tools =
        json!([{ "name": "act", "description": "acts", "inputSchema": { "type": "object" } }]);
    let call = &seen.json()["params"]["arguments"]["do"];
    match (seen.rpc_method().as_str(), call.as_str()) {
        ("initialize", _) => {
            let result =
                json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {} });
            let body = json!({ "jsonrpc": "2.0", "id": seen.json()["id"], "result": result });
            let session = vec![("mcp-session-id", "theirs".to_owned())];
            Script::Json(StatusCode::OK, session, body.to_string().into_bytes())
        }
        ("tools/call", Some("hang")) => Script::Silence,
        // It breaks off in the middle: the call may have run.
        ("tools/call", Some("die")) => {
            Script::Typed(StatusCode::OK, "text/html", b"what?".to_vec())
        }
        _ => plain(seen, &tools),
    }
}

impl Behind {
    async fn over_http() -> Self {
        Self::Http(TestServer::start(script_of).await)
    }

    /// How many calls have reached the server.
    fn reached(&self) -> usize {
        match self {
            Self::Http(server) => server.seen("tools/call").len(),
            Self::Process { log } => {
                let log = std::fs::read_to_string(log).unwrap_or_default();
                log.lines()
                    .filter(|line| line.contains("\"tools/call\""))
                    .count()
            }
        }
    }

    /// The server is gone, and cannot be reached or started any more.
    /// Goes away, and the gate knows.
    async fn vanish(self, gate: &TestGate) {
        match self {
            Self::Http(server) => server.vanish().await,
            Self::Process { log } => {
                std::fs::write(log.with_extension("gone"), "").unwrap();
                let log = std::fs::read_to_string(log).unwrap();
                let pids = log.lines().filter_map(|line| line.strip_prefix("pid "));
                let pids: Vec<u32> = pids.map(|pid| pid.parse().unwrap()).collect();
                for pid in &pids {
                    // One that has ended already needs no more.
                    let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
                }
                eventually("the server is gone", || !pids.iter().any(|pid| lives(*pid))).await;
                let registry = gate.node.gate.registry();
                let server = registry.server("s").unwrap();
                eventually("the gate knows", || server.connector.is_at_rest()).await;
            }
        }
    }
}

/// A gate with two people, ann and bo, each of whom may approve.
struct Town {
    gate: Arc<TestGate>,
    behind: Behind,
    caller: Caller,
    people: Vec<Credential>,
}

/// Everybody's token says their name.
fn as_person(token: &str) -> Credential {
    Credential::Token(Plain(token.to_owned()))
}

impl Town {
    async fn new(way: Way, policy: &str) -> Self {
        let gate = TestGate::empty().await;
        let (target, behind) = if way == Way::StdioServer {
            let log = gate.dir.path().join("server.log");
            let (argv, env) = (script(&log, ""), Vec::new());
            (Target::Command { argv, env }, Behind::Process { log })
        } else {
            let server = TestServer::start(script_of).await;
            let (url, headers) = (server.url(), Vec::new());
            (Target::Http { url, headers }, Behind::Http(server))
        };
        gate.add_target("s", target, NewTools::Quarantine).await;
        gate.put_policy("p", policy).await;
        gate.add_grant("tester", TOKEN, &[("s", Some("p"))]).await;
        gate.node.gate.take_first_lists().await;
        let caller = caller(way, &gate).await;
        let (gate, people) = (Arc::new(gate), Vec::new());
        let mut town = Self {
            gate,
            behind,
            caller,
            people,
        };
        for (name, role) in [("ann", Role::Admin), ("bo", Role::Approver)] {
            town.add_person(name, role).await;
        }
        town
    }

    async fn add_person(&mut self, name: &str, role: Role) {
        let add = Request::UserAdd {
            name: Label::new(name).unwrap(),
            role,
            identities: Vec::new(),
            password: None,
            token: true,
            by: self.people.first().cloned(),
        };
        let Ok(Response::Person { token, .. }) = self.office(add).await else {
            panic!("{name} was not added");
        };
        self.people.push(as_person(&token.unwrap()));
    }

    async fn office(&self, request: Request) -> Result<Response, Failure> {
        self.gate.node.office.answer("test", request).await
    }

    async fn all(&self) -> Vec<ApprovalView> {
        match self.office(Request::ApprovalList { all: true }).await {
            Ok(Response::Approvals { approvals }) => approvals,
            other => panic!("{other:?}"),
        }
    }

    /// The one call that waits, as soon as there is one.
    async fn waiting(&self) -> String {
        for _ in 0..4_000 {
            let all = self.all().await;
            if let Some(found) = all.iter().find(|a| a.state == State::Waiting) {
                return found.id.clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("nothing waits");
    }

    async fn decide(&self, id: &str, says: Says, by: &Credential) -> Result<State, Failure> {
        let decide = Request::ApprovalDecide {
            id: id.to_owned(),
            says,
            reason: (says == Says::Deny).then(|| "not on a Friday".to_owned()),
            by: by.clone(),
        };
        match self.office(decide).await? {
            Response::Approval { approval } => Ok(approval.state),
            other => panic!("{other:?}"),
        }
    }

    async fn approve(&self, id: &str) {
        let decided = self.decide(id, Says::Approve, &self.people[0]).await;
        assert_eq!(decided, Ok(State::Approved));
    }

    async fn call(&self, arguments: &Value) -> Value {
        let heard = self.caller.ask(&calling(arguments, None)).await;
        heard.expect("the gate must answer").answer
    }

    /// Asks, and has the call approved; the id.
    async fn approved(&self, arguments: &Value) -> String {
        let id = id_of(&self.call(arguments).await);
        self.approve(&id).await;
        id
    }

    fn reached(&self) -> usize {
        self.behind.reached()
    }
}

/// An agent that has shaken hands, where its way begins with that.
async fn caller(way: Way, gate: &TestGate) -> Caller {
    let (address, server) = (gate.node.address(), "s");
    if way == Way::StdioClient {
        let lines = OverLines::start(stdio_to(&format!("http://{address}")));
        lines.shake_hands().await;
        return Caller::Lines(lines);
    }
    let session = None;
    Caller::Http(OverHttp {
        address,
        server,
        session,
    })
}

/// A session, where a caller has none.
async fn in_session(caller: &Caller) -> Caller {
    let Caller::Http(http) = caller else {
        return caller.clone();
    };
    let session = http.open(&initialize()).await;
    Caller::Http(OverHttp {
        session,
        ..http.clone()
    })
}

fn stdio_to(gate: &str) -> Command {
    let mut command = Command::new(PORTREEVE);
    command
        .args(["stdio", "--server", "s", "--url", gate])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("PORTREEVE_TOKEN", TOKEN);
    command
}

fn decision(answer: &Value) -> &Value {
    &answer["result"]["_meta"]["portreeve/decision"]
}

fn id_of(answer: &Value) -> String {
    let decision = decision(answer);
    assert_eq!(decision["outcome"], "ask", "{answer}");
    decision["approval_id"].as_str().unwrap().to_owned()
}

/// Whether the server has answered.
fn passed(answer: &Value) -> bool {
    let text = &answer["result"]["content"][0]["text"];
    text == "ok" || text == "fine"
}
