use std::collections::BTreeMap;

use super::*;
use crate::store::model::PolicyVersion;
use crate::store::{Grants, Policies, Store, StoreError};

#[test]
fn a_policy_version_never_changes_and_the_same_text_makes_none() {
    let place = Place::new();
    let store = place.open();
    let put = |text: &str| wait(store.put_policy(&name("p"), text.to_owned(), "ann", NOON));
    assert_eq!(put("one").expect("put").reference(), "p@1");
    assert_eq!(put("one").expect("put").reference(), "p@1");
    assert_eq!(put("two").expect("put").reference(), "p@2");
    assert_eq!(put("one").expect("an older text again").reference(), "p@3");

    let text = |version| wait(store.policy(&name("p"), version)).map(|found| found.text);
    assert_eq!(text(None).expect("newest"), "one");
    assert_eq!(text(Some(2)).expect("second"), "two");
    assert!(matches!(
        text(Some(4)),
        Err(StoreError::NoSuchVersion { version: 4, .. })
    ));
    assert!(matches!(
        text(Some(u64::MAX)),
        Err(StoreError::NoSuchVersion { .. })
    ));
    let history = wait(store.policy_history(&name("p"))).expect("history");
    assert_eq!(
        history.iter().map(|v| v.version).collect::<Vec<_>>(),
        [1, 2, 3]
    );

    let db = rusqlite::Connection::open(place.path()).expect("a second connection");
    for sql in [
        "UPDATE policy_versions SET text = 'x'",
        "DELETE FROM policy_versions",
    ] {
        assert!(db.execute(sql, []).is_err(), "{sql}");
    }
}

#[test]
fn a_removed_policy_is_out_of_use_but_its_versions_can_be_read_and_go_on() {
    let store = Place::new().open();
    let put = |text: &str| wait(store.put_policy(&name("p"), text.to_owned(), "ann", NOON));
    put("one").expect("put");
    wait(store.create_grant(grant("ci", '1', &[("s", Some("p"))]), NOON)).expect("made");
    let error = wait(store.remove_policy(&name("p")))
        .expect_err("in use")
        .to_string();
    assert!(error.contains("the grant `ci` on `s`"), "{error}");
    wait(store.revoke_grant(&label("ci"), NOON)).expect("revoked");

    wait(store.remove_policy(&name("p"))).expect("removed");
    assert_eq!(
        wait(store.policies()).expect("list"),
        Vec::<PolicyVersion>::new()
    );
    assert_eq!(
        wait(store.policy(&name("p"), Some(1))).expect("kept").text,
        "one"
    );
    assert_eq!(put("one").expect("the same text again").reference(), "p@1");
    assert_eq!(wait(store.policies()).expect("list").len(), 1);
}

#[test]
fn a_grant_is_created_attached_rotated_and_revoked() {
    let store = Place::new().open();
    let ci = label("ci");
    wait(store.create_grant(grant("ci", '1', &[("s", Some("p"))]), NOON)).expect("made");
    let twice = wait(store.create_grant(grant("ci", '2', &[]), NOON));
    assert!(matches!(twice, Err(StoreError::Exists { .. })));
    let shared = wait(store.create_grant(grant("other", '1', &[]), NOON));
    assert!(matches!(shared, Err(StoreError::TokenTaken { .. })));

    let rotated = wait(store.rotate_grant(&ci, "3".repeat(64), Timestamp(5))).expect("rotated");
    assert_eq!(rotated.token_sha256, "3".repeat(64));
    assert_eq!(rotated.rotated_at, Some(Timestamp(5)));
    assert_eq!(rotated.servers.len(), 1);

    let wider = grant("ci", '1', &[("s", Some("q")), ("t", None)]).servers;
    let attached =
        wait(store.rewrite_grant(&ci, wider.clone(), BTreeMap::new(), None)).expect("attached");
    assert_eq!(attached.servers, wider);

    let revoked = wait(store.revoke_grant(&ci, Timestamp(9))).expect("revoked");
    assert_eq!(revoked.revoked_at, Some(Timestamp(9)));
    assert_eq!(wait(store.load_all()).expect("loads").grants, []);
    assert_eq!(wait(store.grants()).expect("list"), [revoked]);
    for again in [
        wait(store.rotate_grant(&ci, "4".repeat(64), NOON)),
        wait(store.rewrite_grant(&ci, wider, BTreeMap::new(), None)),
        wait(store.revoke_grant(&ci, NOON)),
    ] {
        assert!(matches!(again, Err(StoreError::Revoked { .. })));
    }
    wait(store.remove_grant(&ci)).expect("removed");
    assert_eq!(wait(store.grants()).expect("list"), []);
}

#[test]
fn a_thousand_servers_and_ten_thousand_grants_load_whole() {
    let place = Place::new();
    let store = place.open();
    let declared = crate::store::model::Declared {
        servers: (0..1_000)
            .map(|i| http_server(&format!("s{i}"), "https://a.example", &[]))
            .collect(),
        policies: vec![(name("p"), "{}".to_owned())],
        grants: (0..10_000)
            .map(|i| {
                let server = format!("s{}", i % 1_000);
                let mut grant = grant(&format!("g{i}"), '0', &[(&server, Some("p"))]);
                grant.token_sha256 = format!("{i:064}");
                grant
            })
            .collect(),
    };
    wait(store.apply_declared(declared, NOON)).expect("applied");
    let snapshot = wait(store.load_all()).expect("loads");
    assert_eq!(
        (snapshot.servers.len(), snapshot.grants.len()),
        (1_000, 10_000)
    );
    assert!(snapshot.grants.iter().all(|grant| grant.servers.len() == 1));
}
