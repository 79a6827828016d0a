//! `ledger verify --anchor-file`: an anchor that is absent is a doubt.

use serde_json::Value;

use super::{Home, Said};

fn verify(home: &Home, format: &[&str]) -> Said {
    let asked = ["ledger", "verify", "--anchor-file", "anchors"];
    home.run(&[&asked[..], format].concat())
}

/// What `verify` says to a file with this text.
fn judged(home: &Home, text: &str) -> (Said, Value) {
    home.write("anchors", text);
    let told = verify(home, &["--json"]);
    let value: Value = serde_json::from_str(&told.out).unwrap();
    let said = verify(home, &[]);
    assert_eq!(said.code, told.code);
    (said, value)
}

/// An anchor of the book's last record.
fn anchor(home: &Home) -> String {
    let report = home.json(&["ledger", "verify"]);
    let (seq, hash) = (&report["last"], &report["hash"]);
    format!("\n{{\"seq\":{seq},\"hash\":{hash},\"at\":\"2026-01-01T00:00:00.000Z\"}}\n")
}

#[test]
fn an_anchor_file_that_holds_no_anchor_is_a_doubt() {
    let home = Home::new();
    home.furnish();
    let anchor = anchor(&home);
    let (said, told) = judged(&home, &anchor);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(told["anchor_file"]["doubt"], Value::Null, "{told}");
    assert!(said.out.contains("anchors holds 1 anchor"), "{said:?}");

    // A crash leaves half a line, and nobody meant anything by it.
    let (said, _) = judged(&home, &format!("{{\"seq\":99,\"ha{anchor}{{\"se"));
    assert_eq!(said.code, 0, "{said:?}");

    let half_replaced = format!("#!/bin/sh\n{anchor}");
    for (text, why) in [
        ("", "holds no anchor"),
        ("#!/bin/sh\necho hello\n", "holds no anchor"),
        (&half_replaced, "line 1 of it is no anchor"),
        ("{\"seq\":1,\"hash\":\"00\",\"at\":\"now\"}\n", "no anchor"),
    ] {
        let (said, told) = judged(&home, text);
        assert_eq!(said.code, 1, "{text}: {said:?}");
        assert!(said.out.contains("DOUBTED: the anchor file "), "{said:?}");
        assert!(said.out.contains(why), "{said:?}");
        assert!(!said.out.ends_with("the book holds\n"), "{said:?}");
        let doubt = told["anchor_file"]["doubt"].as_str().unwrap();
        assert!(doubt.contains(why), "{told}");
    }
}

#[test]
fn an_anchor_file_that_cannot_be_read_is_a_doubt() {
    let home = Home::new();
    home.furnish();
    std::fs::create_dir(home.path("anchors")).unwrap();
    let said = verify(&home, &[]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("it cannot be read ("), "{said:?}");
    let told: Value = serde_json::from_str(&verify(&home, &["--json"]).out).unwrap();
    assert!(told["anchor_file"]["doubt"].is_string(), "{told}");
}
