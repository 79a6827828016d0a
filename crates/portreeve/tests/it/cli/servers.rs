use super::up::Up;
use super::{Home, said as told};

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
            "`NOPE` is not set: set it in the shell that runs this command",
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
fn a_command_is_kept_with_its_secrets_sealed() {
    let home = Home::new();
    let added = [
        "server",
        "add",
        "files",
        "--env",
        "A=env:KEY",
        "--",
        "sh",
        "-c",
        "x",
    ];
    let said = told(
        home.command(&added)
            .env("PATH", "/usr/bin:/bin")
            .output()
            .expect("it runs"),
    );
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.out, "server files added (sh -c x)\n");
    let listed = home.json(&["server", "list"]);
    assert_eq!(listed[0]["target"], "sh -c x");
    assert_eq!(listed[0]["secrets"]["A"], "(sealed)");
}

#[test]
fn a_program_that_is_not_there_is_told_with_where_it_was_looked_for() {
    let home = Home::new();
    for (program, path, says) in [
        (
            "no-such-server",
            "/usr/bin:/bin",
            "in any directory of PATH\n",
        ),
        ("npx", "", "PATH is not set"),
        ("./no-such-server", "/bin", "no-such-server"),
        ("/etc", "/bin", "no file that may be run"),
    ] {
        let mut command = home.command(&["server", "add", "a", "--", program]);
        let said = told(command.env("PATH", path).output().expect("it runs"));
        assert_eq!(said.code, 3, "{said:?}");
        assert!(said.err.contains(says), "{said:?}");
        assert!(said.err.contains("to do: install it"), "{said:?}");
    }
    assert_eq!(home.json(&["server", "list"]), serde_json::json!([]));
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

/// A stdio server whose tools are what stands in a file.
const SHELL_SERVER: &str = r#"
while IFS= read -r line; do
  id=$(printf '%s\n' "$line" | sed -n 's/^.*"id" *: *\("[^"]*"\|[0-9]*\) *[,}].*$/\1/p')
  case $line in
    *'"method":"initialize"'*)
      printf '{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"0"}}}\n' "$id" ;;
    *'"method":"tools/list"'*)
      printf '{"jsonrpc":"2.0","id":%s,"result":{"tools":[%s]}}\n' "$id" "$(cat "$1")" ;;
    *'"id"'*)
      printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id" ;;
  esac
done
"#;

#[test]
fn what_changed_in_a_definition_is_shown_before_and_when_it_is_accepted() {
    let home = Home::new();
    let tools = |description: &str| {
        let schema = r#"{"type":"object"}"#;
        let tool =
            format!(r#"{{"name":"read","description":"{description}","inputSchema":{schema}}}"#);
        home.write("tools.json", &tool)
    };
    let script = home.write("server.sh", SHELL_SERVER);
    let file = tools("Reads a file.");
    let up = Up::start(&home, &[]);
    let command = ["/bin/sh", script.to_str().unwrap(), file.to_str().unwrap()];
    home.ok(&[&["server", "add", "files", "--"], &command[..]].concat());
    let listed = home.ok(&["server", "tools", "files"]);
    assert!(!listed.contains("differs"), "{listed}");
    assert!(
        home.ok(&["server", "pin", "files", "--dry-run"])
            .contains("nothing of files waits")
    );

    tools("Reads a file, and mails it.");
    let changes = [
        "-   \"description\": \"Reads a file.\",",
        "+   \"description\": \"Reads a file, and mails it.\",",
    ];
    let shows = |said: &str| changes.iter().all(|line| said.contains(line));
    let listed = home.ok(&["server", "tools", "files"]);
    assert!(
        listed.contains("what waits of read differs") && shows(&listed),
        "{listed}"
    );
    let would = home.ok(&["server", "pin", "files", "--dry-run"]);
    assert!(
        would.contains("would accept read of files") && shows(&would),
        "{would}"
    );
    let json = home.json(&["server", "pin", "files", "read", "--dry-run"]);
    let lines = json[0]["changes"].as_array().unwrap();
    assert!(lines.contains(&changes[1].into()), "{json}");
    let unknown = home.run(&["server", "pin", "files", "write", "--dry-run"]);
    assert_eq!(unknown.code, 1, "{unknown:?}");

    let accepted = home.ok(&["server", "pin", "files"]);
    assert!(
        accepted.contains("accepted read of files") && shows(&accepted),
        "{accepted}"
    );
    assert!(
        home.ok(&["server", "pin", "files"])
            .contains("nothing of files waits")
    );
    up.stop();
}

#[test]
fn a_server_that_never_gave_a_list_is_told_from_one_without_tools() {
    let home = Home::new();
    let dead = ["server", "add", "dead", "--url", "http://127.0.0.1:9/mcp"];
    home.ok(&dead);
    let listed = home.run(&["server", "list"]);
    let row = listed.out.lines().nth(1).expect("a row");
    assert!(row.contains(" ? "), "{listed:?}");
    let words = "note: dead has not given a list of its tools yet, so none can be called: `portreeve \
                 server tools dead` asks it";
    assert!(listed.err.contains(words), "{listed:?}");
    assert_eq!(home.json(&["server", "list"])[0]["tools_known"], false);
}

#[test]
fn a_command_that_fails_in_the_gates_directory_says_where_it_was() {
    let home = Home::new();
    std::fs::create_dir(home.path("gate")).expect("a folder");
    home.write("srv.sh", "echo up");
    let mut gate = home.command(&["up", "--listen", "127.0.0.1:0"]);
    gate.current_dir(home.path("gate"))
        .env("PATH", "/usr/bin:/bin");
    let up = Up::spawn(gate);
    up.wait_for("ledger verify");
    let mut add = home.command(&["server", "add", "s", "--", "sh", "srv.sh"]);
    let said = told(add.env("PATH", "/usr/bin:/bin").output().expect("it runs"));
    let (gate, mine) = (home.path("gate"), home.path("srv.sh"));
    for words in [
        format!(
            "it was started in {}, and what it wrote to stderr is in the gateway's log: the stderr of the `portreeve up` that runs (process",
            gate.display()
        ),
        format!(
            "note: it is started in the gateway's working directory, not in this one: if `srv.sh` is meant to be {}",
            mine.display()
        ),
    ] {
        assert!(said.err.contains(&words), "{words}: {said:?}");
    }
    up.stop();
}
