//! People and what they decide, at the command line.

use std::process::Stdio;

use super::Home;

const PASSWORD: &str = "correct horse battery";

#[test]
fn people_are_added_by_people() {
    let home = Home::new();
    home.furnish();
    assert_eq!(
        home.ok(&["user", "list"]),
        "nobody yet; `portreeve user add NAME --role admin` adds the first\n"
    );
    let short = home.run_with_input(
        &["user", "add", "ann", "--role", "admin", "--password-stdin"],
        "short\n",
    );
    assert_eq!(short.code, 2, "{short:?}");
    assert!(
        short.err.contains("shorter than 12 characters"),
        "{short:?}"
    );
    let no_admin = home.run(&["user", "add", "bo", "--token"]);
    assert_eq!(no_admin.code, 2, "{no_admin:?}");
    let add = [
        "user",
        "add",
        "ann",
        "--role",
        "admin",
        "--token",
        "--password-stdin",
        "--json",
    ];
    let added = home.run_with_input(&add, &format!("{PASSWORD}\n"));
    assert_eq!(added.code, 0, "{added:?}");
    let added: serde_json::Value = serde_json::from_str(&added.out).expect("JSON");
    let token = added["token"].as_str().expect("a token");
    assert!(token.starts_with("prp_"));

    // Without a terminal nobody can say who they are.
    let first = Home::new().run(&["user", "add", "ann", "--role", "admin"]);
    assert!(first.err.contains("`--password-stdin`"), "{first:?}");
    let alone = home.run(&["user", "add", "eve", "--token"]);
    assert_eq!(alone.code, 3, "{alone:?}");
    assert!(alone.err.contains("there is none"), "{alone:?}");
    // Nor is anybody asked who cannot have what they want.
    let again = home.run(&["user", "add", "ann", "--role", "admin"]);
    assert_eq!(again.code, 3, "{again:?}");
    assert!(again.err.contains("exists already"), "{again:?}");
    let with_leave = home
        .command(&[
            "user",
            "add",
            "bo",
            "--token",
            "--identity",
            "bo@example.com",
        ])
        .env("PORTREEVE_APPROVER_TOKEN", token)
        .output()
        .expect("it runs");
    assert!(with_leave.status.success(), "{with_leave:?}");
    let list = home.ok(&["user", "list"]);
    assert!(
        list.contains("bo    approver  -         yes    bo@example.com"),
        "{list}"
    );
    let people = home.json(&["user", "list"]);
    assert_eq!(people[0]["name"], "ann");
    assert!(!people.to_string().contains("pbkdf2"));
    let by_bo = home.run(&["user", "add", "eve", "--as", "bo"]);
    assert_eq!(by_bo.code, 1, "{by_bo:?}");
    assert!(by_bo.err.contains("bo is no admin"), "{by_bo:?}");
    let refused = home
        .command(&["user", "remove", "ann"])
        .env("PORTREEVE_APPROVER_TOKEN", token)
        .output()
        .expect("it runs");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("ann is the last admin"));
    assert!(
        home.acts().iter().any(|act| act.starts_with("user.add bo")),
        "{:?}",
        home.acts()
    );
}

#[test]
fn the_agents_own_shell_cannot_approve() {
    let home = Home::new();
    home.furnish();
    let empty = home.ok(&["approvals", "list"]);
    assert_eq!(
        empty,
        "no call waits, and no decision is there that a call could still use; `--all` shows those that have ended\n"
    );
    assert_eq!(home.json(&["approvals", "list"]), serde_json::json!([]));
    let missing = home.run(&["approvals", "approve", "ap_0"]);
    assert_eq!(missing.code, 3, "{missing:?}");
    assert!(
        missing.err.contains("there is no approval ap_0"),
        "{missing:?}"
    );
    // Passwords on standard input are not asked for.
    let tried = home
        .command(&["approvals", "approve", "ap_0", "--json"])
        .env("PORTREEVE_APPROVER_TOKEN", "")
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    assert_eq!(tried.status.code(), Some(3), "{tried:?}");
}

#[test]
fn nobody_types_a_password_for_a_change_that_cannot_be() {
    let home = Home::new();
    home.furnish();
    let added = home.run(&["user", "add", "ann", "--role", "admin", "--token", "--json"]);
    let lonely = "warning: ann is the only admin and has a token alone";
    assert!(added.err.contains(lonely), "{added:?}");
    // Another's token is no reason to say that of an admin, nor is a token beside a password.
    let mut approver = home.command(&["user", "add", "cleo", "--token"]);
    let token = serde_json::from_str::<serde_json::Value>(&added.out).expect("JSON");
    approver.env(
        "PORTREEVE_APPROVER_TOKEN",
        token["token"].as_str().expect("a token"),
    );
    let approver = super::said(approver.output().expect("it runs"));
    assert_eq!((approver.code, approver.err.as_str()), (0, ""));
    let none = "ann has no password that could be asked for, only a token";
    for (arguments, code, words) in [
        (&["user", "passwd", "eve"][..], 3, "no user named `eve`"),
        (&["user", "token", "an"][..], 3, "no user named `an`"),
        (&["user", "remove", "ann"][..], 3, "ann is the last admin"),
        (&["user", "token", "ann", "--as", "ann"][..], 1, none),
        (&["user", "add", "bo", "--as", "ann"][..], 1, none),
    ] {
        let said = home.run(arguments);
        assert_eq!(said.code, code, "{said:?}");
        assert!(said.err.contains(words), "{said:?}");
    }
    // What can be is asked for at the terminal, and there is none.
    let added: serde_json::Value = serde_json::from_str(&added.out).expect("JSON");
    let by_ann = |arguments: &[&str]| {
        let mut command = home.command(arguments);
        command.env(
            "PORTREEVE_APPROVER_TOKEN",
            added["token"].as_str().expect("a token"),
        );
        super::said(command.output().expect("it runs"))
    };
    assert_eq!(
        by_ann(&["user", "add", "bo", "--token", "--role", "admin"]).err,
        ""
    );
    for (arguments, words) in [
        (
            &["user", "passwd", "bo"][..],
            "asked for your own password at a terminal",
        ),
        (
            &["user", "add", "eve", "--password-stdin"],
            "an admin who is there already must agree to another person",
        ),
    ] {
        let said = home.run(arguments);
        assert!(said.err.contains(words), "{said:?}");
    }
}

#[test]
fn approvers_whom_nobody_is_are_told_where_a_policy_is_taken() {
    let home = Home::new();
    home.furnish();
    let asks = r#"{"version":"1","default":"deny","tools":{"run-rerun":{"require_approval":[
        {"conditions":[],"approvers":["Ann","sec@example.com"]}]}}}"#;
    home.write("asks.json", asks);
    let put = home.run(&["policy", "put", "asks", "asks.json"]);
    assert_eq!(put.code, 0, "{put:?}");
    for name in ["\"Ann\"", "\"sec@example.com\""] {
        let says =
            format!("warning: /tools/run-rerun/require_approval/0 names the approver {name}");
        assert!(put.err.contains(&says), "{put:?}");
    }
    let add = |name: &str, more: &[&str]| {
        let common = ["user", "add", name, "--password-stdin"];
        home.run_with_input(&[&common[..], more].concat(), &format!("{PASSWORD}\n"))
    };
    assert_eq!(
        add("ann", &["--role", "admin", "--identity", "sec@example.com"]).code,
        0
    );
    let again = home.run(&["policy", "put", "asks", "asks.json"]);
    assert!(!again.err.contains("names the approver"), "{again:?}");
    home.write("asks.json", &asks.replace("Ann", "bob"));
    home.ok(&["policy", "put", "asks", "asks.json"]);
    let create = home.run(&["grant", "create", "ci", "--server", "runs=asks"]);
    assert_eq!(create.code, 0, "{create:?}");
    assert!(
        create.err.contains(
            "warning: asks: /tools/run-rerun/require_approval/0 names the approver \"bob\""
        ),
        "{create:?}"
    );
    let up = super::up::Up::start(&home, &[]);
    up.stop();
}

#[test]
fn a_wrong_proof_is_booked_without_the_secret() {
    let home = Home::new();
    home.furnish();
    home.ok(&["user", "add", "ann", "--role", "admin", "--token"]);
    let wrong = "prv_not-anybodys-token-0123456789-abcdefghij";
    let tried = home
        .command(&["user", "token", "ann"])
        .env("PORTREEVE_APPROVER_TOKEN", wrong)
        .output()
        .expect("it runs");
    assert_eq!(tried.status.code(), Some(1), "{tried:?}");
    let acts = home.ok(&["ledger", "acts"]);
    assert!(acts.contains("person.unauthenticated"), "{acts}");
    let exported = home.ok(&["ledger", "export"]);
    assert!(exported.contains("person.unauthenticated"));
    assert!(!exported.contains("not-anybodys"), "{exported}");
}
