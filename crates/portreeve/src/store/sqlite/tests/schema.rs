use std::path::Path;

use rusqlite::Connection;

use super::super::{migrate, open};
use super::*;
use crate::store::{Servers, StoreError};

const SECOND: migrate::Migration = migrate::Migration {
    name: "0002_test",
    sql: "ALTER TABLE servers ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey';",
};

fn with_second() -> Vec<migrate::Migration> {
    let mut all: Vec<_> = migrate::MIGRATIONS
        .iter()
        .map(|migration| migrate::Migration { ..*migration })
        .collect();
    all.push(SECOND);
    all
}

fn version(path: &Path) -> u32 {
    let db = Connection::open(path).expect("opens");
    db.query_row("PRAGMA user_version", [], |row| row.get(0))
        .expect("a version")
}

#[test]
fn a_new_file_gets_the_newest_schema_and_no_copy() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let store = place.open();
    assert_eq!(store.copy_before_upgrade(), None);
    assert_eq!(version(&place.path()) as usize, migrate::MIGRATIONS.len());
    let mode = std::fs::metadata(place.path())
        .expect("the file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn an_older_database_is_copied_aside_and_then_upgraded() {
    let place = Place::new();
    let new = http_server("kept", "https://a.example", &[]);
    wait(place.open().add_server(new, NOON)).expect("added");
    let before = version(&place.path());

    let (db, copy) = open(&place.path(), &with_second()).expect("upgrades");
    let colour: String = db
        .query_row(
            "SELECT colour FROM servers WHERE name = 'kept'",
            [],
            |row| row.get(0),
        )
        .expect("the row with its new column");
    assert_eq!(colour, "grey");
    let copy = copy.expect("a copy");
    assert_eq!(version(&copy), before);
    let old: String = Connection::open(&copy)
        .and_then(|db| db.query_row("SELECT name FROM servers", [], |row| row.get(0)))
        .expect("the row in the copy");
    assert_eq!(old, "kept");
    let (_, again) = open(&place.path(), &with_second()).expect("opens");
    assert_eq!(again, None);
}

#[test]
fn a_migration_that_fails_leaves_the_database_as_it_was() {
    let place = Place::new();
    drop(place.open());
    let before = version(&place.path());
    let mut bad = with_second();
    bad.push(migrate::Migration {
        name: "0003_bad",
        sql: "CREATE TABLE half (a); SELECT no_such_function();",
    });
    let error = open(&place.path(), &bad).expect_err("fails").to_string();
    assert!(error.contains("0003_bad"), "{error}");
    assert_eq!(version(&place.path()), before + 1);
    let db = Connection::open(place.path()).expect("opens");
    let half: i64 = db
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE name = 'half'",
            [],
            |row| row.get(0),
        )
        .expect("a count");
    assert_eq!(half, 0);
}

#[test]
fn a_newer_database_is_refused_with_the_way_out() {
    let place = Place::new();
    drop(open(&place.path(), &with_second()).expect("newer"));
    let error = SqliteStore::open(&place.path(), Arc::new(Masking(1))).expect_err("refused");
    assert!(matches!(error, StoreError::Newer { .. }));
    assert!(error.to_string().contains("newer portreeve"), "{error}");
}

#[test]
fn another_programs_database_and_a_file_that_is_none_are_left_alone() {
    let place = Place::new();
    Connection::open(place.path())
        .and_then(|db| db.execute_batch("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1);"))
        .expect("theirs");
    let error = SqliteStore::open(&place.path(), Arc::new(Masking(1))).expect_err("refused");
    assert!(matches!(error, StoreError::NotOurs { .. }), "{error}");

    std::fs::write(
        place.path(),
        "not a database at all, but long enough to be read as a header",
    )
    .expect("written");
    let error = SqliteStore::open(&place.path(), Arc::new(Masking(1))).expect_err("refused");
    assert!(matches!(error, StoreError::NotOurs { .. }), "{error}");
}
