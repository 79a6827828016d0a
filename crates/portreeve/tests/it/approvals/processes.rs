//! Gates in processes of their own: decided about from a second terminal, killed in between, and set
//! upon by the agent's own shell.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use portreeve::admin::{Credential, Request, Response, ask};
use portreeve::grants::token;
use portreeve::name::Label;
use portreeve::store::approval::Says;
use portreeve::store::person::Role;
use serde_json::{Value, json};

use super::{Behind, Way, as_person, asking, id_of, passed, stdio_to};
use crate::cli::up::Up;
use crate::cli::{Home, Said};
use crate::stdio::{eventually, script};
use crate::support::caller::{Caller, OverHttp, OverLines, calling};
use crate::support::gate::TOKEN;

/// A test of each scenario for each way.
macro_rules! every_way {
    ($($scenario:ident)*) => {$(
        mod $scenario {
            use crate::approvals::Way;

            #[tokio::test(flavor = "multi_thread")]
            async fn over_http() {
                super::$scenario(Way::Http).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn with_a_stdio_server() {
                super::$scenario(Way::StdioServer).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn through_portreeve_stdio() {
                super::$scenario(Way::StdioClient).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn in_a_wrap() {
                super::$scenario(Way::Wrapped).await;
            }
        }
    )*};
}

every_way! {
    a_call_is_approved_from_a_second_terminal
    what_is_approved_outlives_the_gate_and_is_used_once
    what_waits_outlives_the_gate
    what_was_used_is_not_used_again_after_a_kill
    the_agents_own_shell_cannot_approve
}

/// A home with a gate to start and to kill, and with ann, who may approve.
struct Household {
    way: Way,
    home: Home,
    address: SocketAddr,
    behind: Behind,
    gate: Option<Up>,
    caller: Option<Caller>,
    ann: String,
}

impl Household {
    async fn new(way: Way, hold: &str) -> Self {
        let home = Home::new();
        home.write("p.json", &asking(hold, ""));
        let behind = match way {
            Way::Http | Way::StdioClient => Behind::over_http().await,
            Way::StdioServer | Way::Wrapped => Behind::Process {
                log: home.path("server.log"),
            },
        };
        // A gate that is started again is looked for where it was.
        let probe = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = probe.local_addr().unwrap();
        let (gate, caller, ann) = (None, None, String::new());
        let mut house = Self {
            way,
            home,
            address,
            behind,
            gate,
            caller,
            ann,
        };
        house.write_configuration();
        let add = ["user", "add", "ann", "--role", "admin", "--token", "--json"];
        let added = house.command(&add, None);
        assert_eq!(added.code, 0, "{added:?}");
        let added: Value = serde_json::from_str(&added.out).unwrap();
        house.ann = added["token"].as_str().unwrap().to_owned();
        drop(probe);
        house.start().await;
        house
    }

    fn write_configuration(&self) {
        let target = match &self.behind {
            Behind::Http(server) => format!("url = {:?}", server.url()),
            Behind::Process { log } => format!("command = {:?}", script(log, "")),
        };
        let (address, hash) = (self.address, token::sha256(TOKEN));
        let text = format!(
            "listen = \"{address}\"\n[servers.s]\n{target}\n[policies.p]\nfile = \"p.json\"\n\
             [[grants]]\nlabel = \"tester\"\ntoken_sha256 = \"{hash}\"\nservers = {{ s = \"p\" }}\n"
        );
        self.home.write("portreeve.toml", &text);
    }

    fn data_dir(&self) -> PathBuf {
        match self.way {
            Way::Wrapped => self.home.path("data/wraps/s"),
            _ => self.home.path("data"),
        }
    }

    /// The gate, and the agent if it does not outlive the gate.
    async fn start(&mut self) {
        if self.way == Way::Wrapped {
            let log = self.home.path("server.log");
            let wrap = ["wrap", "--policy", "p.json", "--label", "s", "--"].map(str::to_owned);
            let arguments = [wrap.to_vec(), script(&log, "")].concat();
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let mut command = self.home.command(&arguments);
            command.env("PATH", "/usr/bin:/bin");
            let lines = OverLines::start(command);
            lines.shake_hands().await;
            self.caller = Some(Caller::Lines(lines));
            return;
        }
        let mut command = self.home.command(&["up", "--config", "portreeve.toml"]);
        command.env("PATH", "/usr/bin:/bin");
        self.gate = Some(Up::spawn(command));
        if self.caller.is_none() {
            self.caller = Some(self.caller().await);
        }
    }

    async fn caller(&self) -> Caller {
        let (address, server, session) = (self.address, "s", None);
        if self.way == Way::StdioClient {
            let lines = OverLines::start(stdio_to(&format!("http://{address}")));
            lines.shake_hands().await;
            return Caller::Lines(lines);
        }
        Caller::Http(OverHttp {
            address,
            server,
            session,
        })
    }

    /// kill -9.
    async fn kill(&mut self) {
        // Killed as it is dropped.
        self.gate = None;
        if let (Way::Wrapped, Some(Caller::Lines(wrap))) = (self.way, &self.caller) {
            wrap.kill().await;
        }
    }

    fn begin(
        &self,
        arguments: &Value,
    ) -> tokio::task::JoinHandle<Option<crate::support::caller::Heard>> {
        self.caller
            .as_ref()
            .unwrap()
            .begin(calling(arguments, None))
    }

    async fn call(&self, arguments: &Value) -> Value {
        self.begin(arguments)
            .await
            .unwrap()
            .expect("an answer")
            .answer
    }

    /// A command in a second terminal, by somebody who has this token.
    fn command(&self, arguments: &[&str], token: Option<&str>) -> Said {
        let data_dir = self.data_dir();
        let data_dir = data_dir.to_str().unwrap();
        let mut command = self
            .home
            .command(&[arguments, &["--data-dir", data_dir]].concat());
        if let Some(token) = token {
            command.env("PORTREEVE_APPROVER_TOKEN", token);
        }
        crate::cli::said(command.stdin(std::process::Stdio::null()).output().unwrap())
    }

    fn listed(&self) -> Vec<Value> {
        let said = self.command(&["approvals", "list", "--all", "--json"], None);
        assert_eq!(said.code, 0, "{said:?}");
        serde_json::from_str(&said.out).unwrap()
    }

    /// The call that waits, as soon as there is one.
    async fn waiting(&self) -> String {
        let found = || {
            let all = self.listed();
            let waits = all.iter().find(|approval| approval["state"] == "waiting");
            waits.map(|approval| approval["id"].as_str().unwrap().to_owned())
        };
        eventually("a call waits", || found().is_some()).await;
        found().unwrap()
    }

    fn approve(&self, id: &str) {
        let said = self.command(&["approvals", "approve", id], Some(&self.ann));
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.out.contains("the call may pass once"), "{said:?}");
    }
}

async fn a_call_is_approved_from_a_second_terminal(way: Way) {
    let house = Household::new(way, "1m").await;
    let call = house.begin(&json!({ "a": 1 }));
    let id = house.waiting().await;
    let shown = house.command(&["approvals", "show", &id], None);
    assert!(
        shown.out.contains(r#"{"arguments":{"a":1},"name":"act"}"#),
        "{shown:?}"
    );
    assert_eq!(house.behind.reached(), 0);
    house.approve(&id);
    assert!(passed(&call.await.unwrap().unwrap().answer));
    assert_eq!(house.behind.reached(), 1);
}

async fn what_is_approved_outlives_the_gate_and_is_used_once(way: Way) {
    let mut house = Household::new(way, "0s").await;
    let id = id_of(&house.call(&json!({ "a": 1 })).await);
    house.approve(&id);
    house.kill().await;
    house.start().await;
    assert!(passed(&house.call(&json!({ "a": 1 })).await), "{id}");
    house.kill().await;
    house.start().await;
    assert_ne!(id_of(&house.call(&json!({ "a": 1 })).await), id);
    assert_eq!(house.behind.reached(), 1);
}

async fn what_waits_outlives_the_gate(way: Way) {
    let mut house = Household::new(way, "1m").await;
    let call = house.begin(&json!({}));
    let id = house.waiting().await;
    house.kill().await;
    let told = call.await.unwrap();
    assert!(!told.is_some_and(|heard| passed(&heard.answer)));
    // Decided while no gate runs.
    house.approve(&id);
    house.start().await;
    assert!(passed(&house.call(&json!({})).await), "{id}");
    assert_eq!(house.behind.reached(), 1);
    assert_eq!(house.listed()[0]["state"], "used");
}

async fn what_was_used_is_not_used_again_after_a_kill(way: Way) {
    let mut house = Household::new(way, "0s").await;
    let endless = json!({ "do": "hang" });
    let id = id_of(&house.call(&endless).await);
    house.approve(&id);
    let call = house.begin(&endless);
    eventually("it reached the server", || house.behind.reached() == 1).await;
    house.kill().await;
    assert!(
        !call
            .await
            .unwrap()
            .is_some_and(|heard| passed(&heard.answer))
    );
    house.start().await;
    assert_ne!(id_of(&house.call(&endless).await), id);
    assert_eq!(house.behind.reached(), 1);
}

/// Everything that a program under the same account can try without being a person: it has the
/// grant's token, and no terminal.
async fn the_agents_own_shell_cannot_approve(way: Way) {
    let house = Household::new(way, "0s").await;
    let id = id_of(&house.call(&json!({})).await);
    let approve = ["approvals", "approve", &id];
    let as_ann = [&approve[..], &["--as", "ann"]].concat();
    let eve = ["user", "add", "eve", "--role", "admin", "--token"];
    for (arguments, token, code) in [
        (&approve[..], None, 3),
        (&as_ann[..], None, 3),
        (&approve[..], Some(TOKEN), 1),
        (&approve[..], Some("prp_made_up"), 1),
        (&eve[..], None, 3),
        (&eve[..], Some(TOKEN), 1),
        (&["user", "token", "ann"], Some(TOKEN), 1),
        (&["user", "remove", "ann"], Some(TOKEN), 3),
    ] {
        let said = house.command(arguments, token);
        assert_eq!(said.code, code, "{arguments:?}: {said:?}");
    }
    let name = || Label::new("ann").unwrap();
    let guess = |password: &str| Credential::Password {
        name: name(),
        password: portreeve::admin::Plain(password.to_owned()),
    };
    let decide = |by| Request::ApprovalDecide {
        id: id.clone(),
        says: Says::Approve,
        reason: None,
        by,
    };
    let socket = house.data_dir().join("control.sock");
    for request in [
        decide(as_person(TOKEN)),
        decide(as_person("")),
        decide(guess("")),
        decide(guess("correct horse battery")),
        Request::UserAdd {
            name: Label::new("eve").unwrap(),
            role: Role::Admin,
            identities: Vec::new(),
            password: None,
            token: true,
            by: None,
        },
        Request::UserProof {
            name: name(),
            password: None,
            token: true,
            by: as_person(TOKEN),
        },
    ] {
        let what = format!("{request:?}");
        let mut told: Option<Response> = None;
        let tried = ask(&socket, &request, |part| told = Some(part)).await;
        assert!(tried.is_err() && told.is_none(), "{what}: {told:?}");
    }
    assert_eq!(house.listed()[0]["state"], "waiting");
    assert_eq!(id_of(&house.call(&json!({})).await), id);
    assert_eq!(house.behind.reached(), 0);
    house.approve(&id);
    assert!(passed(&house.call(&json!({})).await));
}
