use super::*;
use crate::store::model::{Anchor, Definition, Judged, Opinion};
use crate::store::{Book, Pins, Servers, Store, StoreError};

#[test]
fn a_server_comes_back_as_it_was_put_also_after_a_restart() {
    let place = Place::new();
    let mut new = http_server(
        "runs",
        "https://runs.example/mcp",
        &[
            ("X-Key", Secret::literal("hush-hush")),
            ("X-Env", Secret::Env("KEY".to_owned())),
            ("X-File", Secret::File("/run/key".into())),
        ],
    );
    new.timeout_ms = Some(7_000);
    let added = wait(place.open().add_server(new.clone(), NOON)).expect("added");
    let found = wait(place.open().server(&name("runs"))).expect("read");
    assert_eq!(found, Some(added.clone()));
    assert_eq!(added.configuration(), new);
    assert_eq!((added.revision, added.first_list_accepted), (1, false));
}

#[test]
fn a_literal_secret_is_on_disk_sealed_only_and_not_in_debug() {
    let place = Place::new();
    let store = place.open();
    let headers = [("X-Key", Secret::literal("hush-hush"))];
    let server = wait(store.add_server(http_server("a", "https://a.example", &headers), NOON));
    assert!(!format!("{server:?}").contains("hush"));
    for entry in std::fs::read_dir(place.dir.path()).expect("the directory") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("a file");
        assert!(!bytes.windows(9).any(|window| window == b"hush-hush"));
    }
}

#[test]
fn another_key_opens_no_secret_and_says_so() {
    let place = Place::new();
    let headers = [("X-Key", Secret::literal("hush-hush"))];
    wait(
        place
            .open()
            .add_server(http_server("a", "https://a.example", &headers), NOON),
    )
    .expect("added");
    let other = SqliteStore::open(&place.path(), Arc::new(Masking(0xff))).expect("opens");
    let error = wait(other.servers()).expect_err("sealed otherwise");
    assert!(matches!(error, StoreError::Unsealable { .. }), "{error}");
}

#[test]
fn a_sealed_secret_that_is_moved_to_another_origin_opens_no_more() {
    let place = Place::new();
    let store = place.open();
    let headers = [("X-Key", Secret::literal("hush-hush"))];
    wait(store.add_server(http_server("a", "https://a.example", &headers), NOON)).expect("added");
    rusqlite::Connection::open(place.path())
        .and_then(|db| {
            db.execute(
                "UPDATE servers SET target = replace(target, 'a.example', 'evil.example')",
                [],
            )
        })
        .expect("tampered");
    assert!(wait(store.servers()).is_err());
}

#[test]
fn the_same_name_twice_is_refused_with_the_way_out() {
    let store = Place::new().open();
    let new = http_server("a", "https://a.example", &[]);
    wait(store.add_server(new.clone(), NOON)).expect("added");
    let error = wait(store.add_server(new, NOON)).expect_err("twice");
    assert!(
        error.advice().contains("portreeve server remove a"),
        "{error}"
    );
}

#[test]
fn removing_a_server_takes_its_pins_and_its_place_in_grants() {
    use crate::store::Grants;
    let store = Place::new().open();
    wait(store.add_server(http_server("a", "https://a.example", &[]), NOON)).expect("added");
    let list = vec![Judged {
        definition: Definition {
            tool: "t".to_owned(),
            hash: "h".to_owned(),
            text: "{}".to_owned(),
        },
        opinion: Opinion::default(),
    }];
    wait(store.accept_first(&name("a"), list, NOON)).expect("taken");
    wait(store.create_grant(grant("ci", '1', &[("a", None), ("b", None)]), NOON)).expect("made");

    assert_eq!(
        wait(store.remove_server(&name("a"))).expect("removed"),
        [label("ci")]
    );

    wait(store.add_server(http_server("a", "https://elsewhere.example", &[]), NOON)).expect("new");
    assert_eq!(wait(store.pins(&name("a"))).expect("pins"), []);
    let ci = wait(store.grant(&label("ci")))
        .expect("read")
        .expect("the grant");
    assert_eq!(ci.servers.into_keys().collect::<Vec<_>>(), [name("b")]);
    assert!(matches!(
        wait(store.remove_server(&name("zzz"))),
        Err(StoreError::Missing { .. })
    ));
}

#[test]
fn the_anchor_put_last_counts_and_the_newest_are_kept() {
    let store = Place::new().open();
    let anchor = |seq, hash: &str| Anchor {
        seq,
        hash: hash.to_owned(),
        at: 1,
    };
    assert_eq!(wait(store.anchor()).expect("read"), None);
    for seq in 1..=300 {
        wait(store.put_anchor(anchor(seq, "x"))).expect("put");
    }
    wait(store.put_anchor(anchor(300, "x"))).expect("the same again");
    wait(store.put_anchor(anchor(7, "after a cut"))).expect("a cut that a person accepted");
    assert_eq!(
        wait(store.anchor()).expect("read"),
        Some(anchor(7, "after a cut"))
    );
    let kept = wait(store.anchors()).expect("read");
    assert_eq!((kept.len(), kept[0].seq, kept[254].seq), (256, 46, 300));
}

#[test]
fn meta_values_are_replaced_whole() {
    let store = Place::new().open();
    assert_eq!(wait(store.meta("k")).expect("read"), None);
    wait(store.put_meta("k", b"one".to_vec())).expect("put");
    wait(store.put_meta("k", b"two".to_vec())).expect("put");
    assert_eq!(wait(store.meta("k")).expect("read"), Some(b"two".to_vec()));
}

#[test]
fn a_copy_is_a_whole_private_database_and_replaces_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let store = place.open();
    wait(store.add_server(http_server("a", "https://a.example", &[]), NOON)).expect("added");
    let copy = place.dir.path().join("copy.db");
    wait(store.copy_to(copy.clone())).expect("copied");
    wait(store.add_server(http_server("later", "https://b.example", &[]), NOON)).expect("added");

    let mode = std::fs::metadata(&copy)
        .expect("the copy")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(wait(store.copy_to(copy.clone())).is_err());
    let opened = SqliteStore::open(&copy, Arc::new(Masking(0x5a))).expect("opens");
    let snapshot = wait(opened.load_all()).expect("loads");
    assert_eq!(snapshot.servers.len(), 1);
}
