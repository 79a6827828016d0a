//! `portreeve up` as a person runs it: the first minute, changes while it runs, and trouble.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use portreeve::grants::token;
use serde_json::{Value, json};

use super::Home;

const TOKEN: &str = "up-test-token-0123456789-abcdefghijklmn";

/// A gate in a process of its own; killed when dropped.
pub(crate) struct Up {
    child: Child,
    said: Receiver<String>,
    address: String,
}

impl Up {
    pub(super) fn start(home: &Home, arguments: &[&str]) -> Self {
        let arguments = [&["up", "--listen", "127.0.0.1:0"], arguments].concat();
        Self::spawn(home.command(&arguments))
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let (sender, said) = channel();
        let stdout = child.stdout.take().expect("stdout");
        let stderr = child.stderr.take().expect("stderr");
        for stream in [Box::new(stdout) as Box<dyn Read + Send>, Box::new(stderr)] {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        let mut up = Self {
            child,
            said,
            address: String::new(),
        };
        let line = up.wait_for("  gateway  http://");
        up.address = String::from(line.trim().trim_start_matches("gateway  http://"));
        up
    }

    /// The next line that contains `words`.
    pub(super) fn wait_for(&self, words: &str) -> String {
        let mut before = Vec::new();
        loop {
            match self.said.recv_timeout(Duration::from_secs(20)) {
                Ok(line) if line.contains(words) => return line,
                Ok(line) => before.push(line),
                Err(error) => panic!("it never said {words:?} ({error}), but {before:#?}"),
            }
        }
    }

    pub(super) fn request(&self, head: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a timeout");
        let request = format!(
            "{head} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\nauthorization: Bearer \
             {TOKEN}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        let status = answer
            .get(9..12)
            .and_then(|s| s.parse().ok())
            .expect("a status");
        let body = answer
            .split_once("\r\n\r\n")
            .map(|(_, body)| body.to_owned());
        (status, body.expect("a body"))
    }

    fn call(&self, tool: &str) -> Value {
        let body = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": tool, "arguments": {} },
        });
        let (_, answer) = self.request("POST /mcp/runs", &body.to_string());
        serde_json::from_str(&answer).expect("JSON")
    }

    fn passes(&self, tool: &str) -> bool {
        self.call(tool)["result"]["_meta"]["portreeve/decision"].is_null()
    }

    /// Asks until the answer is as expected: a change of a file is noticed within a second.
    fn until(&self, tool: &str, passes: bool) {
        let begun = Instant::now();
        while self.passes(tool) != passes {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "{tool} never {passes}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args([name, &pid])
            .status()
            .expect("kill runs");
        assert!(sent.success());
    }

    pub(super) fn stop(mut self) {
        self.signal("-TERM");
        let status = self.child.wait().expect("it ends");
        assert_eq!(status.code(), Some(0));
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(policy: &str) -> String {
    format!(
        "[servers.runs]\nurl = \"builtin:runs\"\n[policies.runs]\nfile = \"runs.json\"\n\
         [[grants]]\nlabel = \"tester\"\ntoken_sha256 = \"{}\"\nservers = {{ runs = \"{policy}\" }}\n",
        token::sha256(TOKEN)
    )
}

fn allowing(tool: &str) -> String {
    json!({ "version": "1", "default": "deny", "tools": { tool: {} } }).to_string()
}

#[test]
fn the_first_minute() {
    let home = Home::new();
    let up = Up::start(&home, &[]);
    up.wait_for("  token    prv_");
    let curl = up.wait_for("  curl -s http://127.0.0.1:");
    for call in 1..=11 {
        let output = Command::new("sh").args(["-c", curl.trim()]).output();
        let Ok(output) = output else {
            panic!("sh runs")
        };
        let text = String::from_utf8(output.stdout).expect("text");
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text:?}"));
        let refused = answer["result"]["isError"] == true;
        assert_eq!(refused, call == 11, "call {call}: {answer}");
        if refused {
            let decision = &answer["result"]["_meta"]["portreeve/decision"];
            assert!(
                decision["retry_after_ms"]
                    .as_u64()
                    .is_some_and(|ms| ms <= 60_000)
            );
            assert!(text.contains("[POLICY DENIED]"));
        }
    }
    let calls = home.json(&["ledger", "tail"]);
    let outcomes: Vec<&str> = calls
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, [["allow"; 10].as_slice(), &["deny"]].concat());
    assert!(home.ok(&["ledger", "verify"]).ends_with("the book holds\n"));
    only_words_and_times_that_exist(&home);
    up.stop();
    let again = Up::start(&home, &[]);
    again.wait_for("grant rotate demo");
    again.stop();
}

fn only_words_and_times_that_exist(home: &Home) {
    let typo = home.run(&["ledger", "query", "--outcome", "denied"]);
    assert_eq!(typo.code, 2);
    assert!(typo.err.contains("'deny'"), "{}", typo.err);
    let count = |arguments: &[&str]| {
        let calls = home.json(&[&["ledger", "query"], arguments].concat());
        calls.as_array().unwrap().len()
    };
    assert_eq!(count(&["--outcome", "deny", "--since", "2026-01-31"]), 1);
    assert_eq!(count(&["--until", "2026-01-31"]), 0);
    assert_eq!(
        home.run(&["ledger", "query", "--since", "2026-02-31"]).code,
        2
    );
}

#[test]
fn a_second_gate_is_told_who_owns_the_directory() {
    let home = Home::new();
    let up = Up::start(&home, &[]);
    let second = home.run(&["up", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.code, 3);
    assert!(
        second.err.contains(&format!("process {}", up.child.id())),
        "{}",
        second.err
    );
    let used = home.run(&["up", "--data-dir", "other", "--listen", &up.address]);
    assert_eq!(used.code, 3);
    let says = format!(
        "cannot listen on {}: a program listens there already\n",
        up.address
    );
    assert!(used.err.contains(&says), "{}", used.err);
    assert!(
        used.err.contains("to do: stop that program"),
        "{}",
        used.err
    );
    let elsewhere = home.run(&["up", "--data-dir", "other", "--listen", "192.0.2.1:8787"]);
    assert!(
        elsewhere
            .err
            .contains("this machine does not have the address 192.0.2.1"),
        "{}",
        elsewhere.err
    );
}

#[test]
fn the_configuration_is_followed_and_a_broken_one_changes_nothing() {
    let home = Home::new();
    let config = home.write("portreeve.toml", &configuration("runs"));
    home.write("runs.json", &allowing("list_runs"));
    let up = Up::start(&home, &["--config", config.to_str().unwrap()]);
    assert!(up.passes("list_runs") && !up.passes("list_jobs"));

    home.write("runs.json", &allowing("list_jobs"));
    up.until("list_jobs", true);
    assert!(!up.passes("list_runs"));

    home.write(
        "runs.json",
        r#"{"version":"1","default":"deny","tolls":{}}"#,
    );
    let said = up.wait_for("did you mean");
    assert!(said.contains("tools"), "{said}");
    assert!(up.passes("list_jobs"), "what was in force stays in force");

    home.write("runs.json", &allowing("list_runs"));
    home.write("portreeve.toml", &configuration("nobody"));
    up.wait_for("nothing was changed");
    assert!(up.passes("list_jobs"));

    home.write("portreeve.toml", &configuration("runs"));
    up.wait_for("the configuration is sound again and in force");
    assert!(up.passes("list_runs"));
    let larger = format!("max_body = 5000\n{}", configuration("runs"));
    home.write("portreeve.toml", &larger);
    up.wait_for("not those in use; restart to use them: max_body");
    home.write("portreeve.toml", &configuration("runs"));
    up.wait_for("the settings of the file are again those in use");
    up.signal("-HUP");
    up.wait_for("told to read the configuration again");
    up.stop();
    let policies = home.json(&["policy", "list"]);
    assert_eq!(policies[0]["version"], 3, "{policies}");
}

#[test]
fn other_commands_act_on_the_running_gate() {
    let home = Home::new();
    let up = Up::start(&home, &[]);
    up.wait_for("ledger verify");
    home.write("p.json", &allowing("list_runs"));
    home.ok(&["policy", "put", "mine", "p.json", "--server", "runs"]);
    let created = home.json(&["grant", "create", "me", "--server", "runs=mine"]);
    let token = created["token"].as_str().unwrap().to_owned();
    let ask = |token: &str| {
        let body =
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_runs"}}"#;
        let head = format!("POST /mcp/runs HTTP/1.1\r\nauthorization: Bearer {token}\r\nx:");
        // The harness's own token comes second, so this asks with two: the gate refuses that.
        let (two, _) = up.request(&head, body);
        assert_eq!(two, 401, "two Authorization headers");
        let mut stream = TcpStream::connect(&up.address).unwrap();
        let request = format!(
            "POST /mcp/runs HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\ncontent-type: \
             application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            up.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer[9..12].parse::<u16>().unwrap()
    };
    assert_eq!(ask(&token), 200);
    let rotated = home.json(&["grant", "rotate", "me"]);
    let fresh = rotated["token"].as_str().unwrap().to_owned();
    assert_eq!(
        (ask(&token), ask(&fresh)),
        (401, 200),
        "from the next call on"
    );
    home.ok(&["grant", "revoke", "me"]);
    assert_eq!(ask(&fresh), 401);
    let tools = home.json(&["server", "tools", "runs"]);
    let mut rerun = tools.as_array().unwrap().iter();
    let rerun = rerun.find(|tool| tool["tool"] == "run-rerun");
    assert!(rerun.unwrap()["definition"]["description"].is_string());
    assert!(home.ok(&["server", "tools", "runs"]).contains("run-rerun"));
    up.stop();
}

/// The next line of a command that goes on.
fn next_line(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> String {
    lines.next().expect("a line").expect("text")
}

#[test]
fn a_followed_book_goes_on_with_every_call_that_ends() {
    let home = Home::new();
    let config = home.write("portreeve.toml", &configuration("runs"));
    home.write("runs.json", &allowing("list_runs"));
    let up = Up::start(&home, &["--config", config.to_str().unwrap()]);
    assert!(up.passes("list_runs"));
    let follow = |arguments: &[&str]| {
        let mut command = home.command(&[&["ledger", "tail", "-f"], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it runs");
        let lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        (child, lines)
    };
    let (mut table, mut rows) = follow(&[]);
    let (mut json, mut objects) = follow(&["--json"]);
    let head = next_line(&mut rows);
    let outcome_at = head.find("OUTCOME").expect("a head");
    assert!(next_line(&mut rows)[outcome_at..].starts_with("allow"));
    assert!(next_line(&mut objects).contains("\"outcome\":\"allow\""));

    assert!(!up.passes("list_jobs"));
    let row = next_line(&mut rows);
    assert!(row[outcome_at..].starts_with("deny"), "{head}\n{row}");
    let object: Value = serde_json::from_str(&next_line(&mut objects)).expect("an object");
    assert_eq!(
        (&object["tool"], &object["outcome"]),
        (&json!("list_jobs"), &json!("deny"))
    );
    assert!(up.passes("list_runs"));
    assert!(next_line(&mut rows)[outcome_at..].starts_with("allow"));
    let object: Value = serde_json::from_str(&next_line(&mut objects)).expect("an object");
    assert_eq!(object["outcome"], "allow", "begin and finish are one");
    for child in [&mut table, &mut json] {
        child.kill().expect("killed");
        child.wait().expect("it ended");
    }
}

#[test]
fn what_people_did_is_listed_newest_last() {
    let home = Home::new();
    home.furnish();
    home.ok(&["grant", "create", "ci", "--server", "runs=p"]);
    let acts = home.json(&["ledger", "acts"]);
    let acts: Vec<_> = acts
        .as_array()
        .unwrap()
        .iter()
        .map(|act| act["act"].clone())
        .collect();
    assert_eq!(acts, ["server.add", "policy.put", "grant.create"]);
    let newest = home.ok(&["ledger", "acts", "--limit", "1", "--since", "1h"]);
    assert!(
        newest.contains("local uid") && newest.contains("grant.create  ci"),
        "{newest}"
    );
    assert!(!newest.contains("server.add"), "{newest}");
    assert_eq!(
        home.ok(&["ledger", "acts", "--since", "2999-01-01"]),
        "no acts\n"
    );
}

/// Moves the database with its log from one place to another.
fn move_database(home: &Home, from: &str, to: &str) {
    for name in ["portreeve.db", "portreeve.db-wal", "portreeve.db-shm"] {
        let from = home.path(from).join(name);
        if from.exists() {
            std::fs::rename(from, home.path(to).join(name)).unwrap();
        }
    }
}

#[test]
fn a_copy_whose_database_cannot_be_read_is_verified_with_what_is_there() {
    let home = Home::new();
    home.furnish();
    let anchored = home.json(&["ledger", "verify"]);
    assert_eq!(
        (&anchored["unread"], anchored["anchored"].is_object()),
        (&json!([]), true)
    );
    move_database(&home, "data", "");
    std::fs::write(home.path("data/portreeve.db"), "no database").unwrap();
    let said = home.run(&["ledger", "verify"]);
    assert_eq!(said.code, 1, "{said:?}");
    assert!(
        said.out
            .contains("NOT ASKED: the anchors in the store cannot be read"),
        "{said:?}"
    );
    let verdict = "the book holds, but not against the anchors in the store\n";
    assert!(
        said.out.contains("cannot be ruled out") && said.out.ends_with(verdict),
        "{said:?}"
    );
    let told = home.run(&["ledger", "verify", "--json"]);
    assert_eq!(told.code, 1, "{told:?}");
    let told: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(
        (&told["holds"], &told["unread"][0]["place"]),
        (&json!(true), &json!("the store"))
    );
    assert_eq!(
        told["not_held_against"],
        json!(["the anchors in the store"])
    );
    std::fs::remove_file(home.path("data/portreeve.db")).unwrap();
    assert_eq!(home.run(&["ledger", "verify"]).code, 1);
    assert!(!home.path("data/portreeve.db").exists(), "nothing is made");
    let flipped = tampered(&home, |book| {
        let mut book = book.to_vec();
        book[40] ^= 1;
        book
    });
    assert!(
        flipped.contains("NOT ASKED") && flipped.contains("BROKEN"),
        "{flipped}"
    );
    move_database(&home, "", "data");
    // Without a lock file, as in a copy, nobody can be writing: a cut is still told.
    std::fs::remove_file(home.path("data/lock")).unwrap();
    let cut = tampered(&home, |book| {
        let lines = lines(book);
        lines[..lines.len() - 2].concat()
    });
    assert!(cut.contains("the tail is cut"), "{cut}");
    assert!(!home.path("data/lock").exists(), "nothing is made");
}

/// Changes the ledger's only segment, and returns what verifying says.
fn tampered(home: &Home, change: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let segment = home.path("data/ledger/00000000000000000001.jsonl");
    let sound = std::fs::read(&segment).expect("a segment");
    std::fs::write(&segment, change(&sound)).expect("written");
    let said = home.run(&["ledger", "verify"]);
    std::fs::write(&segment, sound).expect("written");
    assert_eq!(said.code, 1, "{said:?}");
    said.out
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|b| *b == b'\n').collect()
}

#[test]
fn a_book_that_was_changed_is_told_from_one_that_holds() {
    let home = Home::new();
    let up = Up::start(&home, &[]);
    up.wait_for("ledger verify");
    up.stop();
    assert!(home.ok(&["ledger", "verify"]).contains("the book holds"));
    let flipped = tampered(&home, |book| {
        let at = book.windows(6).position(|w| w == b"\"seq\":").unwrap();
        let third = lines(book)[0].len() + lines(book)[1].len() + at + 20;
        let mut book = book.to_vec();
        book[third] ^= 1;
        book
    });
    assert!(flipped.contains("BROKEN: record 3 "), "{flipped}");
    let dropped = tampered(&home, |book| {
        let lines = lines(book);
        [&lines[..1], &lines[2..]].concat().concat()
    });
    assert!(dropped.contains("record 2 is missing"), "{dropped}");
    let cut = tampered(&home, |book| {
        let lines = lines(book);
        lines[..lines.len() - 2].concat()
    });
    assert!(cut.contains("the tail is cut"), "{cut}");

    // A gate does not go on from a book that was cut, unless somebody says so.
    let segment = home.path("data/ledger/00000000000000000001.jsonl");
    let book = std::fs::read(&segment).unwrap();
    let kept = lines(&book);
    std::fs::write(&segment, kept[..kept.len() - 2].concat()).unwrap();
    let refused = home.run(&["up", "--listen", "127.0.0.1:0"]);
    assert_eq!(refused.code, 3);
    assert!(
        refused.err.contains("--accept-ledger-cut` gives it up"),
        "{}",
        refused.err
    );
    assert!(
        refused
            .err
            .contains("Given up: at least 2 records that are missing, all that was booked after"),
        "{}",
        refused.err
    );
    let times = refused.err.matches("the ledger was cut").count();
    assert_eq!(times, 1, "it is said once: {}", refused.err);
    let up = Up::start(&home, &["--accept-ledger-cut"]);
    up.wait_for("Given up: at least 2 records");
    up.stop();
    assert!(home.ok(&["ledger", "verify"]).contains("the book holds"));
}

/// `up` in a shell that allows files of so many KiB only.
fn with_full_disk(home: &Home, kilobytes: u32, config: &Path) -> Up {
    let mut shell = home.command(&[]);
    let program = shell.get_program().to_owned();
    // SIGXFSZ ignored, a write beyond the limit fails with EFBIG, as it does with ENOSPC on a full
    // disk. SQLite's own files are smaller than the limit.
    let line = format!(
        "trap '' XFSZ; ulimit -f {kilobytes}; exec \"$0\" up --listen 127.0.0.1:0 --config '{}'",
        config.display()
    );
    let environment: Vec<_> = shell
        .get_envs()
        .map(|(k, v)| (k.to_owned(), v.map(ToOwned::to_owned)))
        .collect();
    shell = Command::new("bash");
    shell
        .args(["-c", &line])
        .arg(program)
        .current_dir(home.path(""))
        .env_clear();
    for (name, value) in environment {
        if let Some(value) = value {
            shell.env(name, value);
        }
    }
    shell.env("PATH", "/usr/local/bin:/usr/bin:/bin");
    Up::spawn(shell)
}

#[test]
fn a_full_disk_refuses_every_call() {
    let home = Home::new();
    let config = home.write("portreeve.toml", &configuration("runs"));
    home.write("runs.json", &allowing("list_runs"));
    let up = with_full_disk(&home, 256, &config);
    let mut calls = 0;
    loop {
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_runs","arguments":{}}}"#;
        let (status, answer) = up.request("POST /mcp/runs", body);
        if status == 503 {
            assert!(answer.contains("50300"), "{answer}");
            break;
        }
        assert_eq!(status, 200, "{answer}");
        calls += 1;
        assert!(calls < 5_000, "the disk never got full");
    }
    assert_eq!(up.request("GET /readyz", "").0, 503);
    assert_eq!(up.request("GET /healthz", "").0, 200, "the gate is alive");
    let booked = home.json(&["ledger", "query", "--outcome", "allow"]);
    assert_eq!(
        booked.as_array().unwrap().len(),
        calls,
        "every call that passed is booked"
    );
    assert!(home.ok(&["ledger", "verify"]).contains("the book holds"));
    drop(up);
    // With room again it goes on.
    let up = Up::start(&home, &["--config", config.to_str().unwrap()]);
    assert!(up.passes("list_runs"));
    up.stop();
    assert!(home.ok(&["ledger", "verify"]).contains("the book holds"));
}

#[test]
fn grants_of_a_file_that_was_not_given_are_not_said_to_be_from_it() {
    let home = Home::new();
    home.write("p.json", super::POLICY);
    home.write(
        "c.toml",
        &format!(
            "[servers.runs]\nurl = \"builtin:runs\"\n[policies.p]\nfile = \"p.json\"\n[[grants]]\nlabel \
             = \"ci\"\ntoken = \"{TOKEN}\"\nservers = {{ runs = \"p\" }}\n"
        ),
    );
    let with = Up::start(&home, &["--config", "c.toml"]);
    let said = with.wait_for("  grants   ");
    assert!(said.ends_with("1, from the configuration file"), "{said}");
    with.stop();
    let without = Up::start(&home, &[]);
    let said = without.wait_for("  grants   ");
    let words =
        "1, declared by a configuration file that this start was not given, or by `portreeve wrap`";
    assert!(said.ends_with(words), "{said}");
    without.stop();
}
