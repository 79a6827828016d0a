//! The office with a real store and effects that can be watched.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use portreeve_policy::time::Timestamp;

use super::*;
use crate::clock::Clock;
use crate::name::{Label, Name};
use crate::store::model::{
    Accept, Accepting, Declared, Definition, Judged, NewGrant, NewTools, Opinion, Server, Snapshot,
};
use crate::store::seal::tests::Masking;
use crate::store::sqlite::SqliteStore;
use crate::store::{Pins, Store};

const POLICY: &str = r#"{ "version": "1", "default": "deny", "tools": { "run-rerun": {} } }"#;

/// Effects that note what was asked of them.
#[derive(Debug)]
struct Watched {
    acts: Mutex<Vec<String>>,
    /// What stood in the store whenever an act was booked.
    before: Mutex<Vec<Snapshot>>,
    books: Mutex<bool>,
    tools: Mutex<Result<Vec<Judged>, UpstreamError>>,
    store: SqliteStore,
}

impl Watched {
    fn note(&self, what: String) {
        self.acts.lock().expect("a lock").push(what);
    }
}

impl Booker for Watched {
    fn book(&self, act: AdminAct) -> Doing<'_, ()> {
        Box::pin(async move {
            if !*self.books.lock().expect("a lock") {
                return Err("the disk is full".to_owned());
            }
            let now = self.store.load_all().await.expect("loads");
            self.before.lock().expect("a lock").push(now);
            self.note(format!("{} {} {}", act.act, act.subject, act.detail));
            Ok(())
        })
    }
}

impl Effects for Watched {
    fn reload(&self) -> Doing<'_, ()> {
        self.note("reload".to_owned());
        Box::pin(async { Ok(()) })
    }

    fn discover(&self, _: Server) -> Doing<'_, Vec<Judged>, UpstreamError> {
        let tools = self.tools.lock().expect("a lock").clone();
        Box::pin(async move { tools })
    }

    fn approval_decided(&self, _: &str) {}

    fn status(&self) -> Status {
        Status {
            running: true,
            pid: 1,
            version: "0".to_owned(),
            gateway_url: Some("http://127.0.0.1:8787".to_owned()),
            console_url: None,
        }
    }
}

struct Place {
    office: Arc<Office>,
    effects: Arc<Watched>,
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("portreeve.db");
        let store = SqliteStore::open(&path, Arc::new(Masking(1))).expect("a store");
        let effects = Arc::new(Watched {
            acts: Mutex::default(),
            before: Mutex::default(),
            books: Mutex::new(true),
            tools: Mutex::new(Ok(shown(&[("run-rerun", "1")]))),
            store: store.clone(),
        });
        let clock = Clock::manual(Timestamp(1_795_000_000_000));
        let shared = Arc::clone(&effects) as Arc<dyn Effects>;
        let data_dir = dir.path().to_owned();
        let office = Arc::new(Office::new(Arc::new(store), shared, clock, data_dir));
        Self {
            office,
            effects,
            dir,
        }
    }

    async fn ask(&self, request: Request) -> Result<Response, Failure> {
        self.office.answer("ann", request).await
    }

    fn acts(&self) -> Vec<String> {
        std::mem::take(&mut *self.effects.acts.lock().expect("a lock"))
    }

    fn show(&self, tools: &[(&str, &str)]) {
        *self.effects.tools.lock().expect("a lock") = Ok(shown(tools));
    }

    /// A server, a policy and a grant.
    async fn furnish(&self) {
        self.ask(add("runs")).await.expect("added");
        self.ask(put("p", POLICY)).await.expect("put");
        self.ask(create("ci")).await.expect("created");
        self.acts();
    }
}

fn shown(tools: &[(&str, &str)]) -> Vec<Judged> {
    let one = |(tool, hash): &(&str, &str)| Judged {
        definition: Definition {
            tool: (*tool).to_owned(),
            hash: (*hash).to_owned(),
            text: format!("{{\"name\":\"{tool}\"}}"),
        },
        opinion: Opinion::default(),
    };
    tools.iter().map(one).collect()
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn label(text: &str) -> Label {
    Label::new(text).expect("a label")
}

fn add(server: &str) -> Request {
    Request::ServerAdd {
        name: name(server),
        target: NewTarget::Http {
            url: "https://runs.example/mcp".to_owned(),
            headers: vec![("X-Key".to_owned(), Plain("hush-hush".to_owned()))],
        },
        new_tools: NewTools::Quarantine,
        accept: Accept::First,
        private: false,
        timeout_ms: None,
    }
}

fn put(policy: &str, text: &str) -> Request {
    Request::PolicyPut {
        name: name(policy),
        text: text.to_owned(),
        server: Some(name("runs")),
    }
}

fn create(grant: &str) -> Request {
    Request::GrantCreate {
        label: label(grant),
        identity: None,
        servers: BTreeMap::from([(name("runs"), name("p"))]),
        shadows: BTreeMap::new(),
        expires: Some(Expiry::InMs(1_000)),
    }
}

#[tokio::test]
async fn a_server_is_added_asked_and_its_first_list_taken() {
    let place = Place::new();
    let Ok(Response::ServerAdded { server, discovery }) = place.ask(add("runs")).await else {
        panic!("it should be added");
    };
    assert_eq!(discovery, Discovery::FirstList(1));
    assert_eq!((server.tools_accepted, server.tools_waiting), (1, 0));
    assert_eq!(server.secrets["X-Key"], "(sealed)");
    let acts = place.acts();
    assert_eq!(acts.len(), 4, "{acts:?}");
    assert!(acts[0].starts_with("server.add runs"), "{acts:?}");
    assert!(acts[2].starts_with("server.pin runs"), "{acts:?}");
    assert!(acts.iter().all(|act| !act.contains("hush")), "{acts:?}");

    place.show(&[("run-rerun", "2"), ("new", "1")]);
    let name = name("runs");
    let Ok(Response::Tools { tools, .. }) = place.ask(Request::ServerTools { name }).await else {
        panic!("it should be shown");
    };
    let acts = place.acts();
    assert!(acts[0].starts_with("server.drift runs"), "{acts:?}");
    let states: Vec<ToolState> = tools.iter().map(|tool| tool.state).collect();
    assert_eq!(states, [ToolState::New, ToolState::Changed]);
}

#[tokio::test]
async fn what_cannot_be_booked_is_not_done() {
    let place = Place::new();
    place.furnish().await;
    place.show(&[("run-rerun", "2")]);
    place
        .ask(Request::ServerTools { name: name("runs") })
        .await
        .expect("shown");
    let before = place.effects.store.load_all().await.expect("loads");
    *place.effects.books.lock().expect("a lock") = false;
    place.acts();
    let requests = [
        add("other"),
        put("p", r#"{ "version": "1", "default": "deny" }"#),
        put("q", POLICY),
        create("more"),
        Request::GrantRotate { label: label("ci") },
        Request::GrantRevoke { label: label("ci") },
        Request::GrantRemove { label: label("ci") },
        Request::GrantSet {
            label: label("ci"),
            servers: BTreeMap::new(),
            without: vec![name("runs")],
            expires: None,
        },
        Request::ServerPin {
            name: name("runs"),
            which: Accepting::All,
        },
        Request::ServerRemove { name: name("runs") },
        Request::Backup {
            to: place.dir.path().join("b.tar"),
        },
    ];
    for request in requests {
        let failure = place.ask(request.clone()).await.expect_err("refused");
        assert!(
            failure.what.contains("the disk is full"),
            "{request:?}: {failure}"
        );
    }
    let declared = Declared {
        policies: vec![(name("file"), POLICY.to_owned())],
        ..Declared::default()
    };
    place
        .office
        .apply_declared("file", declared)
        .await
        .expect_err("refused");
    assert_eq!(place.effects.store.load_all().await.expect("loads"), before);
    assert_eq!(place.acts(), Vec::<String>::new());
    assert!(!place.dir.path().join("b.tar").exists());
}

#[tokio::test]
async fn an_act_is_booked_before_the_change_and_taken_into_force_after_it() {
    let place = Place::new();
    place.ask(add("runs")).await.expect("added");
    place.ask(put("p", POLICY)).await.expect("put");
    place.ask(create("ci")).await.expect("created");
    let acts: Vec<String> = place
        .acts()
        .iter()
        .map(|act| act.split(' ').next().unwrap_or_default().to_owned())
        .collect();
    let expected = [
        "server.add",
        "reload",
        "server.pin",
        "reload",
        "policy.put",
        "reload",
    ];
    assert_eq!(acts[..6], expected);
    assert_eq!(acts[6..], ["grant.create", "reload"]);
    let before = place.effects.before.lock().expect("a lock");
    assert_eq!(before[0], Snapshot::default());
    assert_eq!((before[1].servers.len(), before[1].pins.len()), (1, 0));
    assert!(before[2].policies.is_empty());
    assert!(before[3].grants.is_empty());
}

#[tokio::test]
async fn a_bad_policy_is_answered_with_its_problems_and_not_stored() {
    let place = Place::new();
    let failure = place.ask(put("p", "{\n  oops")).await.expect_err("refused");
    assert_eq!((failure.answer, failure.problems[0].line), (Answer::No, 2));
    assert!(
        place
            .effects
            .store
            .load_all()
            .await
            .expect("loads")
            .policies
            .is_empty()
    );
}

#[tokio::test]
async fn names_that_the_server_does_not_have_are_reported() {
    let place = Place::new();
    place.furnish().await;
    let text =
        r#"{ "version": "1", "default": "deny", "tools": { "run-rerum": {}, "run-rerun": {} } }"#;
    let Ok(Response::PolicyPut {
        policy, dead_rules, ..
    }) = place.ask(put("p", text)).await
    else {
        panic!("it should be put");
    };
    assert_eq!(policy.version, 2);
    assert_eq!(policy.used_by.len(), 1);
    let dead = dead_rules.expect("the tools are known");
    assert_eq!((dead.len(), dead[0].tool.as_str()), (1, "run-rerum"));
    assert_eq!(dead[0].suggestion.as_deref(), Some("run-rerun"));
}

#[tokio::test]
async fn the_same_text_again_is_neither_booked_nor_a_version() {
    let place = Place::new();
    place.furnish().await;
    let Ok(Response::PolicyPut {
        policy, changed, ..
    }) = place.ask(put("p", POLICY)).await
    else {
        panic!("it should be fine");
    };
    assert_eq!((policy.version, changed), (1, false));
    assert_eq!(place.acts(), Vec::<String>::new());
}

#[tokio::test]
async fn a_token_is_shown_once_and_expiry_is_told() {
    let place = Place::new();
    place.furnish().await;
    let failure = place.ask(create("ci")).await.expect_err("twice");
    assert!(failure.what.contains("exists already"), "{failure}");
    let rotated = place.ask(Request::GrantRotate { label: label("ci") }).await;
    let Ok(Response::GrantToken { token, .. }) = rotated else {
        panic!("it should be rotated");
    };
    let listed = serde_json::to_string(&place.ask(Request::GrantList).await.expect("listed"));
    let listed = listed.expect("json");
    assert!(
        !listed.contains(&token) && !listed.contains("sha256"),
        "{listed}"
    );
    assert!(listed.contains("\"live\""), "{listed}");
    place
        .office
        .clock
        .advance(std::time::Duration::from_secs(2));
    let listed = serde_json::to_string(&place.ask(Request::GrantList).await.expect("listed"));
    assert!(listed.expect("json").contains("\"expired\""));
}

#[tokio::test]
async fn what_does_not_exist_is_answered_with_the_nearest_name() {
    let place = Place::new();
    place.furnish().await;
    let attach = |server: &str, policy: &str| Request::GrantSet {
        label: label("ci"),
        servers: BTreeMap::from([(name(server), name(policy))]),
        without: Vec::new(),
        expires: None,
    };
    for (request, says) in [
        (
            attach("rusn", "p"),
            "no server named `rusn`; did you mean `runs`?",
        ),
        (
            attach("runs", "pp"),
            "no policy named `pp`; did you mean `p`?",
        ),
        (
            Request::ServerTools { name: name("run") },
            "did you mean `runs`?",
        ),
        (
            Request::GrantRevoke { label: label("cj") },
            "did you mean `ci`?",
        ),
        (
            Request::PolicyShow {
                name: name("q"),
                version: None,
            },
            "no policy named `q`",
        ),
        (
            Request::ServerPin {
                name: name("runs"),
                which: Accepting::Tools(vec!["run-rerum".to_owned()]),
            },
            "no tool named `run-rerum`",
        ),
        (
            Request::PolicyRemove { name: name("p") },
            "still used by the grant `ci`",
        ),
    ] {
        let failure = place.ask(request).await.expect_err(says);
        assert!(failure.to_string().contains(says), "{failure}");
        assert!(failure.advice.is_some(), "{failure:?}");
    }
}

#[tokio::test]
async fn a_configuration_is_applied_once_and_may_name_what_people_added() {
    let place = Place::new();
    place.furnish().await;
    let grant = |server: &str, policy: &str| Declared {
        grants: vec![NewGrant {
            label: label("file"),
            identity: None,
            token_sha256: "1".repeat(64),
            servers: BTreeMap::from([(name(server), Some(name(policy)))]),
            shadows: BTreeMap::new(),
            expires_at: None,
        }],
        ..Declared::default()
    };
    let failure = place
        .office
        .apply_declared("file", grant("runs", "pp"))
        .await;
    let failure = failure.expect_err("no such policy");
    assert!(
        failure.to_string().contains("did you mean `p`?"),
        "{failure}"
    );

    let changes = place
        .office
        .apply_declared("file", grant("runs", "p"))
        .await;
    assert_eq!(changes.expect("applied").len(), 1);
    assert_eq!(place.acts().len(), 2);
    let again = place
        .office
        .apply_declared("file", grant("runs", "p"))
        .await;
    assert_eq!(again.expect("applied"), []);
    assert_eq!(place.acts(), Vec::<String>::new());
}

#[tokio::test]
async fn a_slow_server_keeps_nobody_from_revoking() {
    #[derive(Debug)]
    struct Slow(Arc<Watched>, tokio::sync::Notify);
    impl Booker for Slow {
        fn book(&self, act: AdminAct) -> Doing<'_, ()> {
            self.0.book(act)
        }
    }
    impl Effects for Slow {
        fn reload(&self) -> Doing<'_, ()> {
            self.0.reload()
        }
        fn discover(&self, _: Server) -> Doing<'_, Vec<Judged>, UpstreamError> {
            self.1.notify_one();
            Box::pin(std::future::pending())
        }
        fn approval_decided(&self, _: &str) {}

        fn status(&self) -> Status {
            self.0.status()
        }
    }
    let place = Place::new();
    place.furnish().await;
    let slow = Arc::new(Slow(Arc::clone(&place.effects), tokio::sync::Notify::new()));
    let store = Arc::new(place.effects.store.clone());
    let effects = Arc::clone(&slow) as Arc<dyn Effects>;
    let clock = Clock::manual(Timestamp(1));
    let office = Office::new(store, effects, clock, place.dir.path().to_owned());
    let name = name("runs");
    tokio::select! {
        _ = office.answer("ann", Request::ServerTools { name }) => panic!("it never answers"),
        revoked = async {
            slow.1.notified().await;
            office.answer("ann", Request::GrantRevoke { label: label("ci") }).await
        } => drop(revoked.expect("revoked")),
    }
    assert_eq!(
        place
            .effects
            .store
            .pins(&Name::new("runs").expect("a name"))
            .await
            .map(|p| p.len())
            .ok(),
        Some(1)
    );
}

#[tokio::test]
async fn the_control_socket_answers_what_the_office_answers() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.furnish().await;
    let path = place.dir.path().join("control.sock");
    std::fs::write(&path, "left behind").expect("written");
    let socket = Socket::bind(&path).expect("bound");
    let mode = std::fs::metadata(&path).expect("it").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let office = Arc::clone(&place.office);
    let serving = tokio::spawn(socket.serve(office, async { drop(stopped.await) }));

    let mut parts = Vec::new();
    ask(&path, &Request::ServerList, |part| parts.push(part))
        .await
        .expect("answered");
    assert!(matches!(&parts[..], [Response::Servers { servers }] if servers.len() == 1));
    let failed = ask(&path, &add("runs"), |_| ())
        .await
        .expect_err("it exists");
    assert!(matches!(failed, AskError::Failed(failure) if failure.what.contains("exists")));
    ask(&path, &create("by-socket"), |_| ())
        .await
        .expect("created");
    let acts = place.acts().join("\n");
    assert!(acts.contains("grant.create by-socket"), "{acts}");

    drop(stop);
    serving.await.expect("stopped");
    let gone = ask(&path, &Request::ServerList, |_| ())
        .await
        .expect_err("nobody");
    assert!(matches!(gone, AskError::NobodyThere), "{gone}");
}
