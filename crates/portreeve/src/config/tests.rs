//! Files and what is said of them.

use std::path::Path;

use super::*;
use crate::store::model::{Accept, NewTools, Secret, Target};

fn environment() -> Environment {
    Environment::given([
        ("CI_TOKEN", "prv_but-of-another-form-0123456789abcdef"),
        ("SHORT", "short"),
        ("TICKETS_AUTHORIZATION", "Bearer hush"),
        ("BROKEN", "a\nb"),
    ])
}

fn read(text: &str) -> Result<Config, ConfigError> {
    parse(Path::new("/etc/p/portreeve.toml"), text, &environment())
}

/// The first problem of a file that is refused.
fn first_error(text: &str) -> String {
    match read(text) {
        Ok(_) => "no error".to_owned(),
        Err(ConfigError::Wrong(problems)) => problems
            .iter()
            .find(|problem| problem.severity == Severity::Error)
            .map(ToString::to_string)
            .expect("an error"),
        Err(other) => other.to_string(),
    }
}

#[test]
fn an_empty_file_means_the_defaults() {
    let config = read("").expect("a configuration");
    assert_eq!(config.files, [Path::new("/etc/p/portreeve.toml")]);
    let defaults = Config {
        files: config.files.clone(),
        ..Config::default()
    };
    assert_eq!(config, defaults);
}

#[test]
fn the_example_of_the_reference_is_read() {
    let config = read(reference::EXAMPLE).expect("a configuration");
    let names: Vec<&str> = config
        .declared
        .servers
        .iter()
        .map(|s| s.name.as_str())
        .collect();
    assert_eq!(names, ["builds", "tickets"]);
    assert_eq!(config.declared.servers[0].target, Target::Demo);
    let secret = Secret::Env("TICKETS_AUTHORIZATION".to_owned());
    assert_eq!(
        config.declared.servers[1].target,
        Target::Http {
            url: "https://tickets.example.com/mcp".to_owned(),
            headers: vec![("Authorization".to_owned(), secret)],
        }
    );
    assert_eq!(config.declared.servers[1].timeout_ms, Some(30_000));
    let grant = &config.declared.grants[0];
    assert_eq!(
        grant.token_sha256,
        crate::grants::token::sha256("prv_but-of-another-form-0123456789abcdef")
    );
    assert_eq!(grant.identity.as_deref(), Some("ci@example.com"));
}

#[test]
fn every_key_that_is_carried_out_is_read() {
    let config = read(
        r#"
        listen = "0.0.0.0:1"
        admin_listen = "[::1]:2"
        data_dir = "data"
        public_url = "https://Gate.example.com/"
        max_body = "1MiB"
        allowed_hosts = ["gate.example.com:8443"]
        allowed_origins = ["https://app.example.com"]
        [store]
        url = "sqlite"
        [counters]
        url = "memory"
        [ledger]
        durability = "disk"
        arguments = "none"
        retain_days = 30
        retain_bytes = 1_000
        segment_bytes = "2KiB"
        anchor_file = "/mnt/anchor"
        [servers.stdio]
        command = ["/bin/sh", "x"]
        env = { KEY = "env:SHORT" }
        new_tools = "judge"
        accept = "manual"
        [servers.inside]
        url = "http://10.0.0.1/"
        private = true
        [[grants]]
        label = "a@b"
        token_sha256 = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        servers = { stdio = "p" }
        shadow = { stdio = "q" }
        expires = 2027-01-31
        "#,
    )
    .expect("a configuration");
    assert_eq!(config.listen.to_string(), "0.0.0.0:1");
    assert_eq!(config.admin_listen.to_string(), "[::1]:2");
    assert_eq!(config.data_dir.as_deref(), Some(Path::new("/etc/p/data")));
    assert_eq!(
        config.public_url.as_deref(),
        Some("https://gate.example.com")
    );
    assert_eq!(config.max_body, 1_048_576);
    assert_eq!(
        config.ledger,
        LedgerSettings {
            durability: Durability::Disk,
            arguments: Arguments::None,
            retain_days: Some(30),
            retain_bytes: Some(1_000),
            segment_bytes: 2_048,
            anchor_file: Some("/mnt/anchor".into()),
        }
    );
    let stdio = config
        .declared
        .servers
        .iter()
        .find(|s| s.name == "stdio")
        .expect("it");
    assert_eq!(
        (stdio.new_tools, stdio.accept),
        (NewTools::Judge, Accept::Manual)
    );
    assert!(config.declared.grants[0].expires_at.is_some());
    assert_eq!(config.declared.grants[0].shadows["stdio"], "q");
    assert_eq!(config.declared.grants[0].token_sha256, "a".repeat(64));
}

/// A file, and what is said of it.
const MISTAKES: &[(&str, &str)] = &[
    (
        "lisen = \"x\"",
        ":1:1: error: `lisen` is not a known key; did you mean `listen`?",
    ),
    (
        "\n  zebra = 1",
        ":2:3: error: `zebra` is not a known key; known here: ",
    ),
    (
        "[servers.a]\nurll = \"x\"",
        ":2:1: error: `servers.a.urll` is not a known key; did you mean `url`?",
    ),
    (
        "[[grants]]\nlable = \"x\"",
        ":2:1: error: `grants[0].lable` is not a known key; did you mean `label`?",
    ),
    (
        "listen = 8787",
        ":1:10: error: `listen` must be an address and port in quotes",
    ),
    (
        "listen = \"localhost:1\"",
        ":1:10: error: `listen` must be a numeric address",
    ),
    (
        "listen = \"1.2.3.4\"",
        "must be a numeric address and a port",
    ),
    ("listen = \"127.0.0.1:8788\"", "are the same address"),
    (
        "data_dir = \"~/x\"",
        ":1:12: error: `data_dir` begins with `~`, which only a shell reads",
    ),
    (
        "[ledger]\nanchor_file = \"~ann/x\"",
        "`anchor_file` begins with `~`",
    ),
    ("listen = ", ":1:10: error: "),
    ("x = = 3", ":1:5: error: there are two `=`"),
    ("listen = \"x\n[ledger]", "error: a text is not closed"),
    ("a = 1\na = 2", ":2:1: error: the key `a` is there twice"),
    ("max_body = 0", "`max_body` must be a number of bytes"),
    (
        "max_body = \"16MB\"",
        "`max_body` must be a number of bytes",
    ),
    ("public_url = \"https://a/b\"", "without a path"),
    (
        "allowed_hosts = \"a\"",
        "`allowed_hosts` must be a list of texts",
    ),
    (
        "allowed_hosts = [1]",
        ":1:18: error: `allowed_hosts` must be a list of texts",
    ),
    (
        "allowed_origins = [\"app.example.com\"]",
        "write a scheme and a host",
    ),
    ("store = 1", "`store` must be a table, not a number"),
    (
        "[store]\nurl = \"postgres://u:pw@h\"",
        ":2:7: error: `store.url`: `postgres` is not supported by this version yet",
    ),
    (
        "[counters]\nurl = \"redis://h\"",
        "`counters.url`: `redis` is not supported by this version yet",
    ),
    (
        "[ledger]\ndurability = \"tape\"",
        "`ledger.durability` must be \"kernel\" or \"disk\"",
    ),
    (
        "[ledger]\nretain_days = -1",
        "`ledger.retain_days` must be a whole number of 1 or more",
    ),
    (
        "[ledger]\nretain_days = 1.5",
        "must be a whole number of 1 or more, not a number",
    ),
    (
        "[auth.jwt]\nissuer = \"x\"",
        ":1:7: error: `auth.jwt` is not supported by this version yet",
    ),
    (
        "[console.oidc]\n",
        "`console.oidc` is not supported by this version yet",
    ),
    (
        "[[approvals.webhooks]]\nurl = \"x\"",
        "`approvals.webhooks` is not supported by this version yet",
    ),
    (
        "[servers.a]",
        ":1:10: error: `servers.a` needs `url` or `command`",
    ),
    (
        "[servers.a]\nurl = \"https://x\"\ncommand = [\"x\"]",
        "has both `url` and `command`",
    ),
    (
        "[servers.a]\nurl = \"ftp://x\"",
        ":2:7: error: `servers.a.url`: the URL must begin with `https://`",
    ),
    ("[servers.a]\nurl = \"http://10.0.0.1\"", "declare it"),
    ("[servers.a]\ncommand = []", "names no program"),
    (
        "[servers.a]\ncommand = [\"no-such-server\"]\nenv = { PATH = \"/bin:/usr/bin\" }",
        ":2:11: error: `servers.a.command`: there is no program \"no-such-server\" in any \
         directory of PATH",
    ),
    (
        "[servers.a]\ncommand = \"npx -y foo\"",
        ": write [\"npx\", \"-y\", \"foo\"] (more is looked at once this is right)",
    ),
    (
        "[servers.a]\ncommand = [\"npx -y foo\"]",
        "is one word with blanks in it: write [\"npx\", \"-y\", \"foo\"]",
    ),
    (
        "[servers.a]\ncommand = [\"./no-such-server\"]",
        "there is no program at /etc/p/./no-such-server",
    ),
    (
        "[servers.a]\ncommand = [\"/bin/sh\"]\nheaders = {}",
        ":3:1: error: `headers` goes with `url` only",
    ),
    (
        "[servers.a]\nurl = \"https://x\"\nenv = {}",
        "`env` goes with `command` only",
    ),
    (
        "[servers.\"a/b\"]\nurl = \"https://x\"",
        ":1:10: error: the name \"a/b\" contains '/'",
    ),
    (
        "[servers.a]\nurl = \"https://x\"\ntimeout = \"soon\"",
        ":3:11: error: `timeout`: \"soon\" is not a span of time",
    ),
    (
        "[servers.a]\nurl = \"https://x\"\nprivate = \"yes\"",
        "`servers.a.private` must be true or false, not a text",
    ),
    (
        "[servers.a]\nurl = \"https://x\"\nheaders = { K = \"env:NOPE\" }",
        ":3:17: error: `headers.K`: the environment variable `NOPE` is not set",
    ),
    (
        "[servers.a]\nurl = \"https://x\"\nheaders = { K = \"file:nope\" }",
        "cannot read the secret's file /etc/p/nope",
    ),
    (
        "[servers.a]\nurl = \"https://x\"\nheaders = { K = \"env:BROKEN\" }",
        "cannot be sent",
    ),
    (
        "[servers.a]\nurl = \"https://x\"\nheaders = { Host = \"env:SHORT\" }",
        "set by portreeve itself",
    ),
    (
        "[policies.p]",
        ":1:11: error: `policies.p` needs `file` or `inline`",
    ),
    (
        "[policies.p]\nfile = \"nope.json\"",
        ":2:8: error: `policies.p.file`: cannot read /etc/p/nope.json",
    ),
    (
        "[policies.p]\ninline = '''\n{\n  oops\n}'''",
        ":4:3: error: ",
    ),
    ("[policies.p]\ninline = '''{ oops }'''", ":2:15: error: "),
    ("[policies.p]\ninline = \"{ oops }\"", ":2:10: error: "),
    (
        "[policies.p]\ninline = \"{ oops }\"",
        "policy `p`, line 1, column 3: ",
    ),
    (
        "grants = 1",
        "`grants` must be a list of tables: write `[[grants]]`",
    ),
    (
        "[grants]\nlabel = \"x\"",
        "`grants` must be a list of tables",
    ),
    (
        "[[grants]]\ntoken = \"env:CI_TOKEN\"\nservers = {}",
        ":1:1: error: this grant needs a `label`",
    ),
    (
        "[[grants]]\nlabel = \"a b\"\ntoken = \"env:CI_TOKEN\"\nservers = {}",
        ":2:9: error: the label \"a b\" contains ' '",
    ),
    (
        "[[grants]]\nlabel = \"a\"\nservers = {}",
        "this grant needs `token`",
    ),
    (
        "[[grants]]\nlabel = \"a\"\ntoken = \"env:CI_TOKEN\"",
        "this grant needs `servers`",
    ),
    (
        "[[grants]]\nlabel = \"a\"\ntoken = \"env:SHORT\"\nservers = {}",
        "32 to 256 visible",
    ),
    (
        "[[grants]]\nlabel = \"a\"\ntoken_sha256 = \"12\"\nservers = {}",
        "64 hexadecimal digits",
    ),
    (
        "[[grants]]\nlabel = \"a\"\ntoken = \"env:CI_TOKEN\"\nservers = { a = 1 }",
        "`grants[0].servers.a` must be a text",
    ),
    (
        "[[grants]]\nlabel = \"a\"\ntoken = \"env:CI_TOKEN\"\nservers = { runs = \"p\" }\nshadow = { run = \"q\" }",
        ":5:12: error: `shadow` names `run`, which is not among `servers`; did you mean `runs`?",
    ),
    (
        "[[grants]]\nlabel = \"a\"\ntoken = \"env:CI_TOKEN\"\nservers = {}\nexpires = \"soon\"",
        ":5:11: error: `expires` must be",
    ),
    (
        "[[grants]]\nlabel = \"a\"\ntoken = \"env:CI_TOKEN\"\nservers = {}\nexpires = \"30d\"",
        "a file does not say from when \"30d\" counts; from today that is 2",
    ),
    (
        "[[grants]]\nlabel = \"a\"\ntoken = \"env:CI_TOKEN\"\nservers = {}\nidentity = \"\"",
        "an identity is 1 to 256",
    ),
];

#[test]
fn every_mistake_has_its_place_and_its_way_out() {
    for (text, expected) in MISTAKES {
        let error = first_error(text);
        assert!(
            error.starts_with("/etc/p/portreeve.toml:") && error.contains(expected),
            "{text}\n  gave: {error}\n  want: {expected}"
        );
    }
}

#[test]
fn all_mistakes_are_told_at_once_and_in_order() {
    let Err(ConfigError::Wrong(problems)) = read("zebra = 1\nlisten = 2\n[servers.a]\nx = 1")
    else {
        panic!("it should be refused");
    };
    let lines: Vec<usize> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [1, 2, 4]);
}

#[test]
fn two_grants_share_neither_label_nor_token() {
    let grant = |label: &str, hash: &str| {
        format!(
            "[[grants]]\nlabel = \"{label}\"\ntoken_sha256 = \"{}\"\nservers = {{}}\n",
            hash.repeat(64)
        )
    };
    let same_label = grant("a", "1") + &grant("a", "2");
    assert!(first_error(&same_label).contains(":5:1: error: two grants have the label `a`"));
    let same_token = grant("a", "1") + &grant("b", "1");
    assert!(first_error(&same_token).contains("have the same token"));
}

#[test]
fn what_is_written_out_or_not_declared_is_warned_of_and_secrets_are_not_repeated() {
    let secret = "sk-this-is-a-literal-secret-0123456789";
    let config = read(&format!(
        "[servers.runs]\nurl = \"https://x\"\nheaders = {{ K = \"{secret}\" }}\n\
         [[grants]]\nlabel = \"a\"\ntoken = \"{secret}\"\nservers = {{ rusn = \"p\" }}\n"
    ))
    .expect("accepted");
    let shown: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
    assert!(
        shown[0].contains(":3:17: warning: `headers.K` holds the secret itself"),
        "{shown:?}"
    );
    assert!(
        shown[1].contains(":6:9: warning: `token` holds the secret itself"),
        "{shown:?}"
    );
    assert!(
        shown[2].contains("server `rusn` is not declared in this file; did you mean `runs`?"),
        "{shown:?}"
    );
    assert!(!format!("{config:?}").contains(secret));
}

#[test]
fn a_policys_file_is_found_beside_the_configuration_and_watched() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join("policies")).expect("made");
    let policy = dir.path().join("policies/p.json");
    std::fs::write(&policy, "{ \"version\": \"1\", \"default\": \"deny\" }").expect("written");
    let path = dir.path().join("portreeve.toml");
    std::fs::write(&path, "[policies.p]\nfile = \"policies/p.json\"\n").expect("written");
    let config = load(&path, &environment()).expect("a configuration");
    assert_eq!(config.files, [path.clone(), policy.clone()]);
    assert!(config.declared.policies[0].1.contains("deny"));

    std::fs::write(&policy, "{\n  \"version\": \"1\",\n  oops }").expect("written");
    let error = load(&path, &environment())
        .expect_err("refused")
        .to_string();
    assert!(
        error.starts_with(&format!("{}:3:3: error: ", policy.display())),
        "{error}"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = load(Path::new("/nope/portreeve.toml"), &environment()).expect_err("refused");
    assert!(
        error.to_string().contains("/nope/portreeve.toml"),
        "{error}"
    );
}

#[test]
fn what_the_parser_leaves_to_be_guessed_is_said() {
    for (text, says) in [
        ("listen = 127.0.0.1:8787", "a text needs quotes"),
        ("data_dir = ./x", "a text needs quotes"),
        ("{ \"listen\": 1 }", "this looks like JSON"),
        ("listen: \"127.0.0.1:1\"", "write `listen = …`"),
        (
            "[servers.a]\nurl = \"x\"\nurl = \"y\"",
            "the key `url` is there twice",
        ),
        (
            "[servers.a]\nurl = \"builtin:run\"",
            "did you mean `builtin:runs`?",
        ),
    ] {
        let error = first_error(text);
        assert!(error.contains(says), "{error}");
    }
    assert!(!first_error("listen = \"a").contains("needs quotes"));
}

#[test]
fn a_policy_that_is_wrong_is_declared_all_the_same() {
    let text = "[servers.a]\nurl = \"builtin:runs\"\n[policies.p]\ninline = '{}'\n[[grants]]\n\
                label = \"g\"\ntoken = \"env:CI_TOKEN\"\nservers = { a = \"p\" }\n";
    let error = read(text).expect_err("no policy").to_string();
    assert!(!error.contains("not declared"), "{error}");
}

#[test]
fn a_gate_for_other_machines_needs_a_name() {
    let warned = |text: &str| {
        let config = read(text).expect("a configuration");
        let warnings: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
        warnings.join("\n")
    };
    for nameless in ["listen = \"0.0.0.0:9\"", "listen = \"[::]:9\""] {
        let said = warned(nameless);
        assert!(
            said.contains(":1:10: warning: `listen` is every address"),
            "{said}"
        );
        for name in [
            "public_url = \"https://g.example\"",
            "allowed_hosts = [\"g:9\"]",
        ] {
            assert_eq!(warned(&format!("{nameless}\n{name}")), "");
        }
    }
    for own in ["listen = \"127.0.0.1:9\"", "listen = \"192.0.2.1:9\""] {
        assert_eq!(warned(own), "");
    }
}
