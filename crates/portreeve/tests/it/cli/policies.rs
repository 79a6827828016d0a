use super::{Home, POLICY};

#[test]
fn a_check_needs_no_data_directory_and_answers_with_its_code() {
    let home = Home::new();
    home.write("good.json", POLICY);
    home.write(
        "bad.json",
        "{\n  \"version\": \"1\",\n  \"defualt\": \"deny\"\n}\n",
    );
    let mut command = home.command(&["policy", "check", "good.json"]);
    let good = command
        .env_remove("HOME")
        .env_remove("PORTREEVE_DATA_DIR")
        .output();
    assert_eq!(good.expect("it runs").status.code(), Some(0));

    let bad = home.run(&["policy", "check", "good.json", "bad.json"]);
    assert_eq!(bad.code, 1);
    assert!(bad.out.contains("good.json: ok"), "{}", bad.out);
    assert!(bad.out.contains("--> bad.json:3:3"), "{}", bad.out);
    assert!(
        bad.out.contains("3 |   \"defualt\": \"deny\"\n  |   ^\n"),
        "{}",
        bad.out
    );
    assert!(bad.out.contains("did you mean `default`?"), "{}", bad.out);

    let json = home.run(&["policy", "check", "bad.json", "--json"]);
    assert_eq!(json.code, 1);
    let json: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(json[0]["ok"], false);
    let problems = json[0]["problems"].as_array().expect("a list");
    assert!(
        problems.iter().any(|problem| problem["line"] == 3),
        "{json}"
    );

    assert_eq!(
        home.run_with_input(&["policy", "check", "-"], POLICY).code,
        0
    );
    assert_eq!(home.run_with_input(&["policy", "check", "-"], "{").code, 1);
    let unreadable = home.run(&["policy", "check", "nope.json", "bad.json", "good.json"]);
    assert_eq!(unreadable.code, 3);
    for says in ["cannot read nope.json", "--> bad.json:3:3", "good.json: ok"] {
        assert!(unreadable.out.contains(says), "{unreadable:?}");
    }
    assert!(!home.path("data").exists());
}

#[test]
fn a_policy_is_put_in_versions_and_shown_byte_for_byte() {
    let home = Home::new();
    home.write("p.json", POLICY);
    let first = home.ok(&["policy", "put", "p", "p.json"]);
    assert!(first.starts_with("p@1\n"), "{first}");
    assert!(
        first.contains("no grant uses it yet: `portreeve grant set"),
        "{first}"
    );
    let same = home.ok(&["policy", "put", "p", "p.json"]);
    assert!(
        same.starts_with("p@1 (the text is the same as before)\n"),
        "{same}"
    );
    let other = POLICY.replace("run-rerun", "other");
    home.write("p.json", &other);
    assert!(
        home.ok(&["policy", "put", "p", "p.json"])
            .starts_with("p@2\n")
    );

    assert_eq!(home.ok(&["policy", "show", "p"]), other);
    assert_eq!(home.ok(&["policy", "show", "p@1"]), POLICY);
    assert_eq!(home.run(&["policy", "show", "p@3"]).code, 3);
    assert_eq!(home.json(&["policy", "list"])[0]["version"], 2);
    assert_eq!(
        home.json(&["policy", "list", "p"]).as_array().map(Vec::len),
        Some(2)
    );
    home.ok(&["policy", "remove", "p"]);
    assert!(home.ok(&["policy", "list"]).contains("no policies"));
    assert_eq!(
        home.acts(),
        ["policy.put p", "policy.put p", "policy.remove p"]
    );
}

#[test]
fn a_bad_policy_is_refused_and_the_one_in_force_stays() {
    let home = Home::new();
    home.furnish();
    home.write(
        "bad.json",
        "{\n  \"version\": \"1\",\n  \"default\": \"maybe\"\n}\n",
    );
    let bad = home.run(&["policy", "put", "p", "bad.json"]);
    assert_eq!((bad.code, bad.out.as_str()), (1, ""), "{bad:?}");
    assert!(bad.err.contains("--> bad.json:3:14"), "{bad:?}");
    assert!(
        bad.err
            .ends_with("was not stored: correct it and put it again\n"),
        "{bad:?}"
    );
    assert_eq!(home.ok(&["policy", "show", "p"]), POLICY);
}

#[test]
fn putting_for_a_server_says_how_to_attach() {
    let home = Home::new();
    home.furnish();
    let said = home.run(&["policy", "put", "p", "p.json", "--server", "runs"]);
    assert!(
        said.err
            .contains("portreeve grant set LABEL --server runs=p"),
        "{said:?}"
    );
    home.ok(&["grant", "create", "ci", "--server", "runs=p"]);
    let said = home.run(&["policy", "put", "p", "p.json", "--server", "runs"]);
    assert!(
        said.out.contains("in force for the grant ci on runs"),
        "{said:?}"
    );
    assert!(!said.err.contains("grant set"), "{said:?}");
    let said = home.run(&["policy", "put", "p", "p.json", "--server", "rusn"]);
    assert_eq!(said.code, 3);
    assert!(said.err.contains("did you mean `runs`?"), "{said:?}");
}

#[test]
fn the_schema_is_printed_as_it_is_in_the_docs() {
    let home = Home::new();
    let written = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/policy.schema.json");
    let written = std::fs::read_to_string(written).expect("it is there");
    assert_eq!(home.ok(&["policy", "schema"]), written);
    home.write(
        "p.json",
        r#"{"$schema":"policy.schema.json","version":"1","default":"deny"}"#,
    );
    let said = home.run(&["policy", "check", "p.json"]);
    assert!(
        said.out.contains("tell the editor in its settings"),
        "{said:?}"
    );
}

#[test]
fn that_no_grant_uses_a_policy_is_said_once() {
    let home = Home::new();
    home.write("p.json", POLICY);
    home.ok(&["server", "add", "runs", "--url", "builtin:runs"]);
    let said = home.run(&["policy", "put", "p", "p.json", "--server", "runs"]);
    let told = said.out + &said.err;
    assert_eq!(told.matches("no grant uses").count(), 1, "{told}");
}

#[test]
fn a_condition_in_the_place_of_an_entry_is_one_error_that_says_what_to_do() {
    let home = Home::new();
    let condition = r#"{"path": "args.env", "op": "eq", "value": "dev"}"#;
    for (list, entry) in [
        ("require", condition.to_owned()),
        ("deny_if", condition.to_owned()),
        ("require_approval", condition.to_owned()),
        ("require", format!(r#"{{"any": [{condition}]}}"#)),
    ] {
        let rules = format!(r#"{{"t": {{"{list}": [{entry}]}}}}"#);
        let text = format!(r#"{{"version": "1", "default": "deny", "tools": {rules}}}"#);
        home.write("bad.json", &text);
        let bad = home.run(&["policy", "check", "bad.json"]);
        assert_eq!(bad.out.matches("error:").count(), 1, "{}", bad.out);
        assert!(
            bad.out.contains("wrap it: {\"conditions\": ["),
            "{}",
            bad.out
        );
    }
}
