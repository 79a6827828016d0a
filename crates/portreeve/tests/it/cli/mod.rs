//! The command line, run as people run it.

mod anchor_file;
mod approvals;
mod backup;
mod config;
mod grants;
mod ledger;
mod newcomer;
mod owners;
mod policies;
mod policy_diff;
mod policy_explain;
mod policy_test;
mod remains;
mod risk;
mod servers;
pub(crate) mod up;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) const POLICY: &str =
    "{ \"version\": \"1\", \"default\": \"deny\", \"tools\": { \"run-rerun\": {} } }\n";

/// A home of one's own, with a data directory in it.
pub(crate) struct Home {
    dir: TempDir,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        Self { dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    /// The command with nothing of the tests' own environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portreeve"));
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env_clear()
            .env("HOME", self.dir.path())
            .env("PORTREEVE_DATA_DIR", self.path("data"))
            .env("KEY", "hush-hush");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        said(self.command(arguments).output().expect("it runs"))
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Said {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut stdin = child.stdin.take().expect("stdin");
        stdin.write_all(input.as_bytes()).expect("written");
        drop(stdin);
        said(child.wait_with_output().expect("it ends"))
    }

    /// Runs a command that must succeed, and returns what it printed.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let said = self.run(arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
        said.out
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let out = self.ok(&[arguments, &["--json"]].concat());
        serde_json::from_str(&out).expect("JSON")
    }

    /// A server `runs` and a policy `p`.
    pub(crate) fn furnish(&self) {
        self.write("p.json", POLICY);
        self.ok(&["server", "add", "runs", "--url", "builtin:runs"]);
        self.ok(&["policy", "put", "p", "p.json"]);
    }

    /// What the ledger says was done, oldest first; the chain and the anchors must hold.
    pub(crate) fn acts(&self) -> Vec<String> {
        acts(&self.path("data/ledger"))
    }
}

pub(crate) fn said(output: std::process::Output) -> Said {
    Said {
        code: output.status.code().expect("it was not killed"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

fn acts(ledger: &Path) -> Vec<String> {
    let mut segments: Vec<PathBuf> = std::fs::read_dir(ledger)
        .expect("a ledger")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "jsonl"))
        .collect();
    segments.sort();
    let text: String = segments
        .iter()
        .map(|path| std::fs::read_to_string(path).expect("a segment"))
        .collect();
    let records = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a record"));
    let mut seqs = 0;
    let mut acts = Vec::new();
    for record in records {
        seqs += 1;
        assert_eq!(record["seq"], seqs, "{record}");
        if record["phase"] == "admin" && record["actor"] != "portreeve" {
            let word = |key: &str| record[key].as_str().expect("a word").to_owned();
            acts.push(format!("{} {}", word("act"), word("subject")));
        }
    }
    acts
}

#[test]
fn help_is_code_0_and_a_wrong_command_is_code_2() {
    let home = Home::new();
    let help = home.run(&["--help"]);
    assert_eq!((help.code, help.err.as_str()), (0, ""));
    for command in [
        "up", "server", "policy", "grant", "ledger", "demo", "backup", "restore",
    ] {
        assert!(help.out.contains(&format!("  {command} ")), "{command}");
    }
    for wrong in [
        &["sever", "list"][..],
        &[],
        &["server", "add", "a"],
        &["server", "add", "../a", "--url", "https://a.example"],
        &[
            "server",
            "add",
            "a",
            "--url",
            "https://a.example",
            "--",
            "x",
        ],
        &[
            "server",
            "add",
            "a",
            "--env",
            "A=b",
            "--url",
            "https://a.example",
        ],
        &["grant", "create", "ci"],
        &["grant", "create", "ci", "--server", "runs"],
        &[
            "grant",
            "create",
            "ci",
            "--server",
            "a=p",
            "--expires",
            "soon",
        ],
        &["grant", "set", "ci"],
        &["policy", "show", "p@x"],
    ] {
        let said = home.run(wrong);
        assert_eq!(
            (said.code, said.out.as_str()),
            (2, ""),
            "{wrong:?}: {said:?}"
        );
    }
    assert!(!home.path("data").exists(), "nothing was touched");
}

#[test]
fn a_mistyped_data_directory_is_told_and_not_made() {
    let home = Home::new();
    home.write("p.json", POLICY);
    for command in [
        &["server", "list"][..],
        &["server", "tools", "runs"],
        &["server", "pin", "runs"],
        &["server", "remove", "runs"],
        &["policy", "list"],
        &["policy", "show", "p"],
        &["policy", "remove", "p"],
        &["grant", "create", "ci", "--server", "runs=p"],
        &["grant", "list"],
        &["grant", "set", "ci", "--server", "runs=p"],
        &["grant", "rotate", "ci"],
        &["grant", "revoke", "ci"],
        &["grant", "remove", "ci"],
        &["ledger", "tail"],
        &["ledger", "query"],
        &["ledger", "verify"],
        &["ledger", "export"],
        &["backup", "b.tar"],
    ] {
        let said = home.run(command);
        assert_eq!((said.code, said.out.as_str()), (3, ""), "{said:?}");
        let says = format!(
            "there is no data directory at {}",
            home.path("data").display()
        );
        assert!(said.err.contains(&says), "{command:?}: {said:?}");
    }
    assert!(!home.path("data").exists());
    home.ok(&["policy", "put", "p", "p.json"]);
    assert!(home.ok(&["server", "list"]).contains("no servers"));
}

#[test]
fn help_can_be_asked_for_in_words() {
    let home = Home::new();
    assert!(home.ok(&["help"]).contains("Begin with `portreeve up`"));
    assert_eq!(
        home.ok(&["help", "server", "add"]),
        home.ok(&["server", "add", "--help"])
    );
    assert_eq!(home.run(&["help", "nonsense"]).code, 2);
}

#[test]
fn what_is_mistyped_is_told_and_touches_nothing() {
    let home = Home::new();
    for (arguments, says) in [
        (
            &["policy", "check", "nope.json"][..],
            "nope.json: no such file or directory",
        ),
        (&["policy", "check", "."], ".: it is a directory"),
        (
            &["config", "check", "nope.toml"],
            "nope.toml: no such file or directory",
        ),
        (
            &["up", "--data-dir", "/proc/nope"],
            "/proc/nope: no such file or directory: choose",
        ),
        (
            &["server", "add", "x", "--url", "mcp.example.com"],
            "this is not a URL",
        ),
        (
            &["server", "add", "x", "--url", "builtin:run"],
            "`builtin:runs` is the only",
        ),
        (
            &["server", "add", "x", "npx", "y"],
            "portreeve server add [OPTIONS] NAME -- COMMAND",
        ),
        (
            &["grant", "set", "g", "--server", "a=p", "--without", "a"],
            "both given and taken away",
        ),
        (&["demo", "--page-size", "0"], "a whole number of 1 or more"),
        (&["demo", "--listen", "8790"], "such as 127.0.0.1:8787"),
    ] {
        let said = home.run(arguments);
        let told = format!("{}{}", said.out, said.err);
        assert!(
            said.code > 0 && told.contains(says),
            "{arguments:?}: {said:?}"
        );
        assert!(!told.contains("os error"), "{said:?}");
    }
    assert!(!home.path("data").exists(), "nothing was touched");
}

#[test]
fn completions_are_printed() {
    let home = Home::new();
    assert!(home.ok(&["completions", "bash"]).contains("portreeve"));
}
