//! Reading the book with `portreeve ledger`.

use serde_json::Value;

use super::{Home, said};

#[test]
fn acts_are_shown_among_calls_if_they_are_asked_for() {
    let home = Home::new();
    home.furnish();
    home.ok(&["grant", "create", "ci", "--server", "runs=p"]);
    let without = home.ok(&["ledger", "tail"]);
    assert_eq!(
        without,
        "no calls; what people changed is in `portreeve ledger acts`\n"
    );
    for command in [["ledger", "tail", "--acts"], ["ledger", "query", "--acts"]] {
        let shown = home.ok(&command);
        for act in ["server.add runs", "policy.put p", "grant.create ci"] {
            assert!(shown.contains(act), "{act}: {shown}");
        }
        assert!(shown.contains("by "), "who did it: {shown}");
    }
    let entries = home.json(&["ledger", "tail", "--acts"]);
    let acts = entries.as_array().unwrap().iter();
    let acts: Vec<&Value> = acts.map(|entry| &entry["act"]).collect();
    assert!(acts.contains(&&Value::from("grant.create")), "{acts:?}");
}

#[test]
fn every_word_for_an_end_can_be_asked_for_and_a_wrong_one_gets_them_all() {
    let home = Home::new();
    home.furnish();
    let words = [
        "allow",
        "failed",
        "not_sent",
        "cancelled",
        "deny",
        "hide",
        "ask",
        "unknown",
        "error",
        "tool_error",
        "withheld",
    ];
    for word in words {
        home.ok(&["ledger", "query", "--outcome", word]);
    }
    let wrong = home.run(&["ledger", "query", "--outcome", "denied"]);
    assert_eq!(wrong.code, 2);
    for word in words {
        assert!(wrong.err.contains(word), "{word}: {}", wrong.err);
    }
}

#[test]
fn a_book_that_does_not_fit_is_not_shown_as_if_it_did() {
    let home = Home::new();
    home.furnish();
    home.ok(&["grant", "create", "ci", "--server", "runs=p"]);
    let segment = home.path("data/ledger/00000000000000000001.jsonl");
    let book = std::fs::read_to_string(&segment).unwrap();
    let whole = home.run(&["ledger", "acts"]);
    assert_eq!((whole.code, whole.err.as_str()), (0, ""));

    std::fs::write(&segment, book.replace("grant.create", "grant.remove")).unwrap();
    for command in [
        &["ledger", "tail"][..],
        &["ledger", "query"],
        &["ledger", "acts"],
        &["ledger", "tail", "--acts"],
    ] {
        let said = home.run(command);
        assert_eq!(said.code, 0, "{said:?}");
        for words in [
            "warning: the book does not fit its chain: record ",
            "its bytes do not match its hash",
            "`portreeve ledger verify`",
        ] {
            assert!(said.err.contains(words), "{words}: {said:?}");
        }
    }
    let shown = home.ok(&["ledger", "acts"]);
    let marked = shown
        .lines()
        .filter(|line| line.contains("[DOES NOT FIT THE CHAIN]"));
    let marked: Vec<&str> = marked.collect();
    assert!(
        marked.len() == 1 && marked[0].contains("grant.remove"),
        "{shown}"
    );
    let acts = home.json(&["ledger", "acts"]);
    let acts = acts.as_array().unwrap();
    let doubted = acts.iter().filter(|act| act["misfit"].is_string());
    assert_eq!(doubted.count(), 1, "{acts:?}");
}

#[test]
fn a_reader_of_an_export_that_has_seen_enough_ends_it_in_silence() {
    let home = Home::new();
    home.furnish();
    // More than a buffer holds, so that writing meets the closed pipe on the way and at the end.
    for enough in [1, 40] {
        for i in 0..enough {
            home.ok(&[
                "grant",
                "create",
                &format!("g{enough}-{i}"),
                "--server",
                "runs=p",
            ]);
        }
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut export = home.command(&["ledger", "export"]);
        export.stdout(writer).stderr(std::process::Stdio::piped());
        let ended = said(export.output().expect("it runs"));
        assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{ended:?}");
    }
    assert_eq!(home.run(&["ledger", "export"]).code, 0);
}

#[test]
fn one_broken_record_hides_no_other() {
    let home = Home::new();
    home.furnish();
    home.ok(&["grant", "create", "ci", "--server", "runs=p"]);
    let segment = home.path("data/ledger/00000000000000000001.jsonl");
    let book = std::fs::read_to_string(&segment).unwrap();
    let broken = book.replace("\"policy.put\"", "\"policy.put");
    assert_ne!(broken, book);
    std::fs::write(&segment, &broken).unwrap();
    for command in [
        &["ledger", "tail", "--acts"][..],
        &["ledger", "query", "--acts"],
        &["ledger", "acts"],
        &["ledger", "export"],
    ] {
        let said = home.run(command);
        assert_eq!(said.code, 1, "{said:?}");
        for act in ["server.add", "grant.create"] {
            assert!(said.out.contains(act), "{act}: {said:?}");
        }
        for words in [
            "warning: record 3 in 00000000000000000001.jsonl cannot be read: ",
            "run `portreeve ledger verify`",
        ] {
            assert!(said.err.contains(words), "{words}: {said:?}");
        }
    }
    let export = home.run(&["ledger", "export"]);
    let written = book.lines().count() - 1;
    let count = format!("{written} records; unreadable and left out: 1");
    assert!(export.err.contains(&count), "{export:?}");
    for command in [
        &["ledger", "acts", "--json"][..],
        &["ledger", "tail", "--acts", "--json"],
    ] {
        let told: Value = serde_json::from_str(&home.run(command).out).unwrap();
        let told = told.as_array().unwrap();
        let seqs: Vec<_> = told
            .iter()
            .filter_map(|entry| entry["seq"].as_u64())
            .collect();
        assert!(seqs.is_sorted() && seqs.contains(&3), "{told:?}");
        let broken = told.iter().find(|entry| entry["seq"] == 3).unwrap();
        assert!(broken["unreadable"].is_string() && broken["segment"].is_string());
    }
}

#[test]
fn a_server_that_nobody_knows_is_said_to_be_unknown() {
    let home = Home::new();
    home.furnish();
    let misspelled = home.run(&["ledger", "query", "--server", "rusn"]);
    assert_eq!(misspelled.code, 0);
    let words = "no server is called \"rusn\"; did you mean `runs`?; `portreeve server list` shows";
    assert!(misspelled.err.contains(words), "{misspelled:?}");
    let known = home.run(&["ledger", "query", "--server", "runs"]);
    assert_eq!((known.code, known.err.as_str()), (0, ""), "{known:?}");
}

#[test]
fn an_empty_book_says_where_its_acts_are() {
    let home = Home::new();
    home.write("p.json", super::POLICY);
    home.ok(&["policy", "put", "p", "p.json", "--data-dir", "elsewhere"]);
    let said = home.ok(&["ledger", "tail", "--data-dir", "elsewhere"]);
    let hint = said.split('`').nth(1).expect("a command").replace('\'', "");
    let words: Vec<&str> = hint.split(' ').skip(1).collect();
    assert!(
        hint.ends_with("/elsewhere") || hint.ends_with(" elsewhere"),
        "{said}"
    );
    assert!(home.ok(&words).contains("policy.put"), "{hint}");
}
