//! A data directory with a past never gets a new key or an empty database unseen.

use std::fs;

use super::Home;
use super::up::Up;

const UP: [&str; 3] = ["up", "--listen", "127.0.0.1:0"];

fn lose_the_database(home: &Home) {
    for entry in fs::read_dir(home.path("data")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with("portreeve.db") {
            fs::remove_file(path).unwrap();
        }
    }
}

/// Every one of these must be refused with these words, and must make no such file.
fn refused(home: &Home, commands: &[&[&str]], words: &[&str], file: &str) {
    for command in commands {
        let said = home.run(command);
        assert_eq!(said.code, 3, "{command:?}: {said:?}");
        for word in words {
            assert!(said.err.contains(word), "{word}: {command:?}: {said:?}");
        }
        assert!(!home.path(file).exists(), "{command:?} made {file}");
    }
}

#[test]
fn a_ledger_without_its_database_is_no_first_start() {
    let home = Home::new();
    home.furnish();
    lose_the_database(&home);
    refused(
        &home,
        &[&UP, &["grant", "list"], &["user", "list"]],
        &["portreeve.db is missing", "backup", "--accept-ledger-cut"],
        "data/portreeve.db",
    );
    // An empty file is none either.
    home.write("data/portreeve.db", "");
    assert_eq!(home.run(&UP).code, 3);

    let up = Up::start(&home, &["--accept-ledger-cut"]);
    up.wait_for("accepted and booked: the database ");
    up.stop();
    let acts = home.ok(&["ledger", "acts", "--json"]);
    assert!(acts.contains("ledger.cut_accepted"), "{acts}");
    assert!(acts.contains("portreeve.db is missing"), "{acts}");
    Up::start(&home, &[]).stop();
}

#[test]
fn a_missing_key_is_not_made_anew_where_there_is_a_past() {
    let home = Home::new();
    home.furnish();
    fs::remove_file(home.path("data/key")).unwrap();
    let words = ["key is missing", "backup"];
    let commands: [&[&str]; 4] = [
        &UP,
        &["up", "--listen", "127.0.0.1:0", "--accept-ledger-cut"],
        &["grant", "list"],
        &["server", "add", "more", "--url", "builtin:runs"],
    ];
    refused(&home, &commands, &words, "data/key");
    lose_the_database(&home);
    refused(&home, &commands, &["key file", "backup"], "data/key");
}
