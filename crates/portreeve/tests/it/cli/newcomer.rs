//! What a newcomer stumbles over: names mistyped, lines pasted elsewhere, a change of mind at a prompt.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::up::Up;
use super::{Home, said};

fn allowing(tools: &[&str]) -> String {
    let rules: serde_json::Map<_, _> = tools
        .iter()
        .map(|tool| ((*tool).to_owned(), serde_json::json!({})))
        .collect();
    serde_json::json!({ "version": "1", "default": "deny", "tools": rules }).to_string()
}

#[test]
fn a_mistyped_tool_is_told_wherever_server_and_policy_meet() {
    let home = Home::new();
    let up = Up::start(&home, &[]);
    up.wait_for("ledger verify");
    home.write("typo.json", &allowing(&["run-rerunn", "list_runs"]));
    home.write("other.json", &allowing(&["read_file", "write_file"]));
    home.write("good.json", &allowing(&["run-rerun"]));
    for policy in ["typo", "other", "good"] {
        home.ok(&["policy", "put", policy, &format!("{policy}.json")]);
    }
    let typo = "warning: the policy `typo` names the tool `run-rerunn`, which runs does not have; did you \
                mean `run-rerun`?";
    let other = "warning: none of the tools that the policy `other` names is one of runs's";
    for (arguments, says) in [
        (&["grant", "create", "a", "--server", "runs=typo"][..], typo),
        (&["grant", "set", "a", "--server", "runs=typo"], typo),
        (&["grant", "set", "a", "--server", "runs=other"], other),
        (&["grant", "shadow", "a", "runs=typo", "--json"], typo),
        (&["policy", "put", "typo", "typo.json"], typo),
    ] {
        let said = home.run(arguments);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.err.contains(says), "{arguments:?}: {said:?}");
    }
    let said = home.run(&["grant", "create", "b", "--server", "runs=good"]);
    assert!(!said.err.contains("warning"), "{said:?}");
    up.stop();
}

#[test]
fn what_is_pasted_ends_nobodys_token_and_finds_the_directory() {
    let home = Home::new();
    let dir = format!("--data-dir '{}'", home.path("data").display());
    let up = Up::start(&home, &[]);
    up.wait_for(&format!("ledger verify {dir}"));
    up.stop();
    let up = Up::start(&home, &[]);
    up.wait_for(&format!("grant rotate demo {dir}"));
    up.wait_for("try it   curl");
    home.ok(&["grant", "create", "a3", "--server", "runs=runs"]);
    up.stop();
    let up = Up::start(&home, &[]);
    up.wait_for(&format!("grant rotate LABEL {dir}"));
    up.stop();
}

#[test]
fn a_cut_is_not_accepted_by_a_start_that_cannot_listen() {
    let home = Home::new();
    home.furnish();
    std::fs::remove_file(home.path("data/portreeve.db")).expect("removed");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let said = home.run(&["up", "--listen", &address, "--accept-ledger-cut"]);
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.err.contains("cannot listen on"), "{said:?}");
    assert!(!home.path("data/portreeve.db").exists());
}

#[test]
fn an_end_is_a_span_a_date_or_a_time() {
    let home = Home::new();
    home.furnish();
    let mut create = vec!["grant", "create", "a", "--server", "runs=p", "--expires"];
    create.push("2999-01-01");
    assert!(
        home.ok(&create)
            .contains("it ends at 2999-01-01T00:00:00.000Z")
    );
    let set = |when: &str| home.run(&["grant", "set", "a", "--expires", when]);
    let said = set("2999-01-01T10:00:00+02:00");
    assert!(
        said.out.contains("it ends: 2999-01-01T08:00:00.000Z"),
        "{said:?}"
    );
    assert!(set("never").out.contains("it ends: never"));
    for (when, says) in [
        ("0s", "must be longer than 0"),
        ("-1h", "must be longer than 0"),
        ("2020-01-01", "would have ended already"),
        ("2999-13-01", "no date, nor a time"),
        ("soon", "is not a span of time"),
    ] {
        let said = set(when);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.err.contains(says), "{said:?}");
    }
}

#[test]
fn a_command_in_quotes_and_a_pasted_header_are_told() {
    let home = Home::new();
    for (arguments, says) in [
        (
            &["server", "add", "x", "--", "npx -y @scope/server"][..],
            "the command is one word with blanks in it: leave out the quotes",
        ),
        (
            &[
                "server",
                "add",
                "x",
                "--url",
                "https://a.example",
                "--header",
                "A: Bearer …",
            ],
            "stands for a secret of yours",
        ),
        (
            &[
                "server",
                "add",
                "x",
                "--timeout",
                "30",
                "--url",
                "https://a.example",
            ],
            "write a whole number and a unit",
        ),
    ] {
        let said = home.run(arguments);
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.err.contains(says), "{said:?}");
    }
    assert!(!home.path("data").exists());
    home.ok(&[
        "server",
        "add",
        "x",
        "--timeout",
        "30s",
        "--url",
        "builtin:runs",
    ]);
    assert_eq!(home.json(&["server", "list"])[0]["timeout_ms"], 30_000);
}

#[test]
fn a_stored_policy_is_not_hidden_by_a_folder() {
    let home = Home::new();
    home.furnish();
    std::fs::create_dir(home.path("p")).expect("a folder");
    let said = home.run(&["policy", "explain", "p", "--tool", "run-rerun"]);
    assert!(said.out.starts_with("allow"), "{said:?}");
    // This policy asks for no class.
    assert_eq!(said.err, "");
}

#[test]
fn what_is_over_or_of_another_kind_is_said_to_be() {
    let home = Home::new();
    home.furnish();
    home.ok(&["grant", "create", "a", "--server", "runs=p"]);
    home.ok(&["grant", "revoke", "a"]);
    let again = home.run(&["grant", "revoke", "a"]);
    assert!(again.err.contains("`a` is revoked already"), "{again:?}");
    let tested = home.run(&["policy", "test", "p.json"]);
    let all = format!("{}{}", tested.out, tested.err);
    assert!(
        all.contains("p.json is a policy") && all.contains("policy check"),
        "{tested:?}"
    );
    assert_ne!(tested.code, 0);
}

/// `script` gives the command a terminal, and types there what it reads.
#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_at_a_password_leaves_the_terminal_as_it_was() {
    let home = Home::new();
    let program = env!("CARGO_BIN_EXE_portreeve");
    let inner = format!("{program} user add ann --role admin; echo code=$?; stty -a");
    for key in [b"ab\x03".as_slice(), b"\x1c"] {
        let mut script = Command::new("script");
        script
            .args(["-qec", &inner, "/dev/null"])
            .current_dir(home.path("."))
            .env("PORTREEVE_DATA_DIR", home.path("data"))
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut script = script.spawn().expect("script(1) runs");
        let mut typing = script.stdin.take().expect("stdin");
        // What is typed before the question is thrown away with what else waited.
        std::thread::sleep(Duration::from_secs(3));
        typing.write_all(key).expect("typed");
        let said = said(script.wait_with_output().expect("it ends"));
        drop(typing);
        assert!(said.out.contains("new password for ann"), "{said:?}");
        // 3 where whoever runs these tests has the signal ignored.
        let ended = ["code=130", "code=3"];
        assert!(ended.iter().any(|code| said.out.contains(code)), "{said:?}");
        let words: Vec<&str> = said.out.split([' ', ';', '\r', '\n']).collect();
        assert!(
            words.contains(&"echo") && words.contains(&"isig"),
            "{said:?}"
        );
        assert!(!home.path("data/portreeve.db").exists());
    }
}
