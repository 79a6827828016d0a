use super::Home;

#[test]
fn a_server_is_added_listed_and_removed_without_a_gate() {
    let home = Home::new();
    let added = home.run(&[
        "server",
        "add",
        "tickets",
        "--url",
        "https://t.example/mcp",
        "--header",
        "X-Key: env:KEY",
        "--accept",
        "manual",
    ]);
    assert_eq!(added.code, 0, "{added:?}");
    assert!(added.out.contains("server tickets added"), "{added:?}");
    assert!(added.err.contains("portreeve is not running"), "{added:?}");

    let listed = home.json(&["server", "list"]);
    assert_eq!(listed[0]["name"], "tickets");
    assert_eq!(listed[0]["accept"], "manual");
    // The variable was read here, and sealed.
    assert_eq!(listed[0]["secrets"]["X-Key"], "(sealed)");
    let table = home.ok(&["server", "list"]);
    assert!(table.starts_with("NAME     TARGET"), "{table}");
    assert!(!table.contains('\x1b'), "no colours into a pipe");
    for file in ["data/portreeve.db", "data/portreeve.db-wal"] {
        let bytes = std::fs::read(home.path(file)).unwrap_or_default();
        assert!(
            !bytes.windows(9).any(|window| window == b"hush-hush"),
            "{file}"
        );
    }

    let again = home.run(&["server", "add", "tickets", "--url", "https://t.example"]);
    assert_eq!(again.code, 3);
    assert!(
        again.err.contains("exists already") && again.err.contains("to do:"),
        "{again:?}"
    );
    let wrong = home.run(&["server", "remove", "ticket"]);
    assert_eq!(wrong.code, 3);
    assert!(wrong.err.contains("did you mean `tickets`?"), "{wrong:?}");
    let removed = home.json(&["server", "remove", "tickets"]);
    assert_eq!(removed["removed"], "tickets");
    assert_eq!(home.json(&["server", "list"]), serde_json::json!([]));
    assert_eq!(home.acts(), ["server.add tickets", "server.remove tickets"]);
}

#[test]
fn a_doubtful_url_or_secret_is_refused_with_the_way_out() {
    let home = Home::new();
    for (arguments, says) in [
        (&["--url", "http://10.0.0.1/mcp"][..], "--private"),
        (&["--url", "https://me:pw@a.example"], "user or password"),
        (&["--url", "ftp://a.example"], "https://"),
        (
            &["--url", "https://a.example", "--header", "K: env:NOPE"],
            "`NOPE` is not set",
        ),
        (
            &["--url", "https://a.example", "--header", "Host: x"],
            "set by portreeve itself",
        ),
    ] {
        let said = home.run(&[&["server", "add", "a"], arguments].concat());
        assert_eq!(said.code, 2, "{said:?}");
        assert!(said.err.contains(says), "{said:?}");
    }
    home.ok(&[
        "server",
        "add",
        "a",
        "--url",
        "http://10.0.0.1/mcp",
        "--private",
    ]);
    home.ok(&["server", "add", "b", "--url", "http://127.0.0.1:9/mcp"]);
}

#[test]
fn a_stdio_server_is_kept_with_a_warning_that_it_cannot_be_used_yet() {
    let home = Home::new();
    let said = home.run(&[
        "server",
        "add",
        "files",
        "--env",
        "A=env:KEY",
        "--",
        "npx",
        "-y",
        "x",
    ]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.out, "server files added (npx -y x)\n");
    assert!(
        said.err
            .contains("warning: this version cannot start stdio servers yet"),
        "{said:?}"
    );
    let listed = home.json(&["server", "list"]);
    assert_eq!(listed[0]["target"], "npx -y x");
    assert_eq!(listed[0]["secrets"]["A"], "(sealed)");
}

#[test]
fn nothing_can_be_pinned_before_anything_is_known() {
    let home = Home::new();
    home.ok(&["server", "add", "runs", "--url", "builtin:runs"]);
    let tools = home.run(&["server", "tools", "runs"]);
    assert_eq!(tools.code, 0);
    assert!(tools.err.contains("portreeve is not running"), "{tools:?}");
    let pin = home.run(&["server", "pin", "runs"]);
    assert_eq!(pin.code, 3);
    assert!(pin.err.contains("not known yet"), "{pin:?}");
}
