use super::*;
use crate::store::model::{Change, Declared, Fate, Owner};
use crate::store::{Grants, Pins, Policies, Servers, Store, StoreError};

fn file() -> Declared {
    Declared {
        servers: vec![http_server(
            "runs",
            "https://runs.example",
            &[("X-Key", Secret::literal("k"))],
        )],
        policies: vec![(name("p"), "text".to_owned())],
        grants: vec![grant("ci", '1', &[("runs", Some("p"))])],
    }
}

fn apply(store: &SqliteStore, declared: Declared) -> Result<Vec<String>, StoreError> {
    let told = |changes: Vec<Change>| changes.iter().map(ToString::to_string).collect();
    wait(store.apply_declared(declared, NOON)).map(told)
}

#[test]
fn a_declaration_applied_twice_changes_nothing_the_second_time() {
    let store = Place::new().open();
    assert_eq!(
        apply(&store, file()).expect("applied"),
        ["server runs added", "policy p added", "grant ci added"]
    );
    assert_eq!(apply(&store, file()).expect("again"), Vec::<String>::new());
    let snapshot = wait(store.load_all()).expect("loads");
    assert_eq!(
        snapshot.servers.first().map(|s| (s.revision, s.owner)),
        Some((1, Owner::File))
    );
    assert_eq!(snapshot.policies.first().map(|p| p.version), Some(1));
}

#[test]
fn changes_bump_the_revision_the_version_and_the_token() {
    let store = Place::new().open();
    apply(&store, file()).expect("applied");
    let mut next = file();
    next.servers = vec![http_server(
        "runs",
        "https://runs.example",
        &[("X-Key", Secret::literal("rotated"))],
    )];
    next.policies = vec![(name("p"), "other".to_owned())];
    next.grants = vec![grant("ci", '2', &[("runs", None)])];
    assert_eq!(
        apply(&store, next.clone()).expect("applied"),
        [
            "server runs changed",
            "policy p changed",
            "grant ci changed"
        ]
    );
    let snapshot = wait(store.load_all()).expect("loads");
    let server = snapshot.servers.first().expect("the server");
    assert_eq!(
        (server.revision, server.configuration()),
        (2, next.servers.remove(0))
    );
    assert_eq!(snapshot.policies.first().map(|p| p.version), Some(2));
    let ci = snapshot.grants.first().expect("the grant");
    assert_eq!(
        (ci.token_sha256.clone(), ci.rotated_at),
        ("2".repeat(64), Some(NOON))
    );
}

#[test]
fn what_is_no_longer_declared_goes_and_what_people_added_stays() {
    let store = Place::new().open();
    wait(store.add_server(http_server("mine", "https://m.example", &[]), NOON)).expect("added");
    wait(store.put_policy(&name("mine"), "m".to_owned(), "ann", NOON)).expect("put");
    let both = grant("mine", '9', &[("mine", Some("mine")), ("runs", Some("p"))]);
    wait(store.create_grant(both.clone(), NOON)).expect("made");
    apply(&store, file()).expect("applied");
    assert_eq!(
        apply(&store, Declared::default()).expect("emptied"),
        [
            "server runs removed",
            "policy p removed",
            "grant ci removed"
        ]
    );
    let snapshot = wait(store.load_all()).expect("loads");
    let names: Vec<&str> = snapshot.servers.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["mine"]);
    assert_eq!(snapshot.policies.len(), 1);
    // The grant keeps the names: what the file declares again is open to it again.
    assert_eq!(
        snapshot.grants.first().map(|g| &g.servers),
        Some(&both.servers)
    );
    assert_eq!(wait(store.pins(&name("runs"))).expect("pins"), []);
}

#[test]
fn a_name_that_a_person_took_is_refused_and_nothing_at_all_is_changed() {
    for taken in ["server", "policy", "grant"] {
        let store = Place::new().open();
        match taken {
            "server" => drop(wait(
                store.add_server(http_server("runs", "https://m.example", &[]), NOON),
            )),
            "policy" => {
                drop(wait(store.put_policy(
                    &name("p"),
                    "m".to_owned(),
                    "ann",
                    NOON,
                )));
            }
            _ => drop(wait(store.create_grant(grant("ci", '9', &[]), NOON))),
        }
        let before = wait(store.load_all()).expect("loads");
        let error = apply(&store, file()).expect_err("refused");
        assert!(matches!(error, StoreError::OwnedByStore { .. }), "{error}");
        assert!(
            error
                .advice()
                .contains(&format!("portreeve {taken} remove")),
            "{error}"
        );
        assert_eq!(wait(store.load_all()).expect("loads"), before, "{taken}");
    }
}

#[test]
fn a_preview_tells_the_changes_and_makes_none() {
    let store = Place::new().open();
    let preview = wait(store.preview_declared(file(), NOON)).expect("previewed");
    assert_eq!(preview.len(), 3);
    assert!(preview.iter().all(|change| change.fate == Fate::Added));
    assert_eq!(
        wait(store.load_all()).expect("loads"),
        crate::store::model::Snapshot::default()
    );
}

#[test]
fn what_the_file_declares_is_changed_in_the_file_only() {
    let store = Place::new().open();
    apply(&store, file()).expect("applied");
    let ci = label("ci");
    let refusals = [
        wait(store.remove_server(&name("runs"))).map(drop),
        wait(store.remove_policy(&name("p"))),
        wait(store.put_policy(&name("p"), "x".to_owned(), "ann", NOON)).map(drop),
        wait(store.rotate_grant(&ci, "7".repeat(64), NOON)).map(drop),
        wait(store.revoke_grant(&ci, NOON)).map(drop),
        wait(store.remove_grant(&ci)),
    ];
    for refusal in refusals {
        assert!(
            matches!(refusal, Err(StoreError::OwnedByFile { .. })),
            "{refusal:?}"
        );
    }
}

/// A process that dies in the middle leaves what it had written by then; so does this connection,
/// whose cache is so small that unfinished pages reach the disk.
#[test]
fn a_crash_in_the_middle_leaves_the_old_rows() {
    use super::super::{applying, migrate, open};
    let many = |prefix: char| Declared {
        policies: (0..500)
            .map(|i| (name(&format!("{prefix}{i}")), "text ".repeat(200)))
            .collect(),
        ..file()
    };
    let place = Place::new();
    apply(&place.open(), many('a')).expect("applied");
    let before = wait(place.open().load_all()).expect("loads");

    let (mut db, _) = open(&place.path(), migrate::MIGRATIONS).expect("opens");
    db.pragma_update(None, "cache_size", 5)
        .expect("a small cache");
    let log = place.dir.path().join("portreeve.db-wal");
    let written = || std::fs::metadata(&log).map_or(0, |log| log.len());
    let earlier = written();
    let transaction = db.transaction().expect("begins");
    applying(&transaction, &Masking(0x5a), NOON)
        .run(&many('b'))
        .expect("all rows are others here");
    assert!(
        written() > earlier + 500_000,
        "unfinished pages are on the disk"
    );
    // The files as they are on disk at this moment are what a crash would leave.
    let after_crash = Place::new();
    for entry in std::fs::read_dir(place.dir.path()).expect("the directory") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), after_crash.dir.path().join(entry.file_name())).expect("copy");
    }
    drop(transaction);
    assert_eq!(wait(after_crash.open().load_all()).expect("loads"), before);
}

#[test]
fn tokens_may_be_exchanged_between_declared_grants() {
    let store = Place::new().open();
    let two = |a, b| Declared {
        grants: vec![grant("a", a, &[]), grant("b", b, &[])],
        ..Declared::default()
    };
    apply(&store, two('1', '2')).expect("applied");
    assert_eq!(apply(&store, two('2', '1')).expect("exchanged").len(), 2);
}
