use portreeve::grants::token::Token;

use super::Home;

#[test]
fn a_token_is_shown_once_with_what_is_needed_to_use_it() {
    let home = Home::new();
    home.furnish();
    let text = home.ok(&[
        "grant",
        "create",
        "ci",
        "--server",
        "runs=p",
        "--identity",
        "ci@example.com",
        "--expires",
        "30d",
    ]);
    let token = text
        .split_whitespace()
        .find(|word| word.starts_with("prv_"))
        .expect("a token");
    Token::parse(token).expect("of our form");
    assert!(text.contains("/mcp/runs  (policy p)"), "{text}");
    assert!(
        text.contains(&format!("\"Authorization\": \"Bearer {token}\"")),
        "{text}"
    );

    let listed = home.json(&["grant", "list"]);
    assert_eq!(listed[0]["servers"]["runs"], "p");
    assert_eq!(listed[0]["state"], "live");
    assert_eq!(listed[0]["identity"], "ci@example.com");
    assert!(listed[0]["expires_at"].is_string());
    let everything = home.ok(&["grant", "list"]) + &listed.to_string();
    assert!(
        !everything.contains("prv_") && everything.contains("runs=p"),
        "{everything}"
    );
    for file in ["data/portreeve.db", "data/portreeve.db-wal"] {
        let bytes = std::fs::read(home.path(file)).unwrap_or_default();
        let found = bytes
            .windows(token.len())
            .any(|window| window == token.as_bytes());
        assert!(!found, "{file}");
    }

    let rotated = home.json(&["grant", "rotate", "ci"]);
    let other = rotated["token"].as_str().expect("a token");
    assert_ne!(other, token);
    home.ok(&["grant", "revoke", "ci"]);
    assert_eq!(home.json(&["grant", "list"])[0]["state"], "revoked");
    assert_eq!(home.run(&["grant", "rotate", "ci"]).code, 3);
    let again = home.run(&["grant", "create", "ci", "--server", "runs=p"]);
    assert_eq!(again.code, 3);
    assert!(again.err.contains("portreeve grant remove ci"), "{again:?}");
    home.ok(&["grant", "remove", "ci"]);
    home.ok(&["grant", "create", "ci", "--server", "runs=p"]);
    let acts = home.acts();
    let acts: Vec<&str> = acts.iter().skip(2).map(String::as_str).collect();
    let expected = [
        "grant.create ci",
        "grant.rotate ci",
        "grant.revoke ci",
        "grant.remove ci",
    ];
    assert_eq!(acts[..4], expected);
}

#[test]
fn what_does_not_exist_is_not_granted() {
    let home = Home::new();
    home.furnish();
    for (attachment, says) in [
        ("rusn=p", "no server named `rusn`; did you mean `runs`?"),
        ("runs=q", "no policy named `q`"),
    ] {
        let said = home.run(&["grant", "create", "ci", "--server", attachment]);
        assert_eq!((said.code, said.out.as_str()), (3, ""), "{said:?}");
        assert!(said.err.contains(says), "{said:?}");
    }
    assert!(home.ok(&["grant", "list"]).contains("no grants"));
    let twice = home.run(&[
        "grant", "create", "ci", "--server", "runs=p", "--server", "runs=q",
    ]);
    assert_eq!(twice.code, 2);
}

#[test]
fn attachments_are_changed_one_by_one() {
    let home = Home::new();
    home.furnish();
    home.ok(&["server", "add", "more", "--url", "https://m.example"]);
    home.ok(&["policy", "put", "q", "p.json"]);
    home.ok(&["grant", "create", "ci@acme", "--server", "runs=p"]);
    let text = home.ok(&["grant", "set", "ci@acme", "--server", "more=q"]);
    assert_eq!(text, "grant ci@acme: more=q runs=p\n");
    let text = home.ok(&[
        "grant",
        "set",
        "ci@acme",
        "--server",
        "runs=q",
        "--without",
        "more",
    ]);
    assert_eq!(text, "grant ci@acme: runs=q\n");
    assert_eq!(
        home.run(&["grant", "set", "ci@acme", "--without", "more"])
            .code,
        3
    );
    let removed = home.ok(&["server", "remove", "runs"]);
    assert!(
        removed.contains("the grant ci@acme no longer has it"),
        "{removed}"
    );
}

#[test]
fn a_grant_that_ended_is_told_and_can_be_extended() {
    let home = Home::new();
    home.furnish();
    home.ok(&[
        "grant",
        "create",
        "ci",
        "--server",
        "runs=p",
        "--expires",
        "1s",
    ]);
    while home.json(&["grant", "list"])[0]["state"] != "expired" {}
    let rotated = home.run(&["grant", "rotate", "ci"]);
    assert_eq!(rotated.code, 0, "{rotated:?}");
    assert!(
        rotated.err.contains("grant set ci --expires 30d"),
        "{rotated:?}"
    );
    let text = home.ok(&["grant", "set", "ci", "--expires", "never"]);
    assert_eq!(text, "grant ci: runs=p\nit ends: never\n");
    let rotated = home.run(&["grant", "rotate", "ci"]);
    assert!(!rotated.err.contains("ended"), "{rotated:?}");
    let set = home.json(&["grant", "set", "ci", "--expires", "1h"]);
    assert!(
        set["expires_at"].is_string() && set["state"] == "live",
        "{set}"
    );
    assert_eq!(
        home.acts()
            .iter()
            .filter(|act| *act == "grant.set ci")
            .count(),
        2
    );
    let nothing = home.run(&["grant", "set", "ci"]);
    assert_eq!(nothing.code, 2);
    for flag in ["--server", "--without", "--expires"] {
        assert!(nothing.err.contains(flag), "{nothing:?}");
    }
    assert_eq!(home.json(&["grant", "revoke", "ci"])["state"], "revoked");
}

#[test]
fn a_policy_is_tried_beside_the_one_in_force() {
    let home = Home::new();
    home.furnish();
    home.ok(&["policy", "put", "next", "p.json"]);
    home.ok(&["policy", "put", "later", "p.json"]);
    let beside = ["--server", "runs=p", "--shadow", "runs=next"];
    home.ok(&[&["grant", "create", "ci"], &beside[..]].concat());
    let listed = home.json(&["grant", "list"]);
    assert_eq!(listed[0]["servers"]["runs"], "p");
    assert_eq!(listed[0]["shadows"]["runs"], "next");
    assert!(home.ok(&["grant", "list"]).contains("runs=p (shadow next)"));
    let used = home.run(&["policy", "remove", "next"]);
    assert_eq!(used.code, 3, "{used:?}");

    let changed = home.ok(&["grant", "shadow", "ci", "runs=later"]);
    assert!(changed.contains("runs=p (shadow later)"), "{changed}");
    home.ok(&["grant", "set", "ci", "--server", "runs=next"]);
    let kept = home.json(&["grant", "list"]);
    assert_eq!(kept[0]["shadows"]["runs"], "later", "it stays");
    for (bad, code, words) in [
        (
            &["grant", "shadow", "ci", "run=later"][..],
            3,
            "did you mean `runs`?",
        ),
        (&["grant", "shadow", "ci", "runs=latter"], 3, "latter"),
        (&["grant", "shadow", "ci"], 2, "SERVER=POLICY"),
        (
            &[
                "grant",
                "create",
                "x",
                "--server",
                "runs=p",
                "--shadow",
                "other=next",
            ],
            3,
            "other",
        ),
    ] {
        let said = home.run(bad);
        assert_eq!(said.code, code, "{said:?}");
        assert!(said.err.contains(words), "{said:?}");
    }
    let ended = home.json(&["grant", "shadow", "ci", "runs=none"]);
    assert_eq!(ended["shadows"], serde_json::Value::Null);
    let acts = home.acts();
    let told = acts
        .iter()
        .filter(|act| act.starts_with("grant.shadow"))
        .count();
    assert_eq!(told, 2, "{acts:?}");
}
