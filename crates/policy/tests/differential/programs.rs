//! Other programs: finding them, asking them, and saying when they are missing.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The file `name` beside this one.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/differential")
        .join(name)
}

/// Says on the terminal, past the test runner's capture, and fails only where that was asked for.
pub(crate) fn missing(what: &str) {
    let line = format!("NOT COMPARED: {what}\n");
    std::io::stderr()
        .write_all(line.as_bytes())
        .expect("standard error takes a line");
    let demanded = std::env::var("PORTREEVE_DIFFERENTIAL").is_ok_and(|v| v == "all");
    assert!(
        !demanded,
        "{what}, and PORTREEVE_DIFFERENTIAL=all demands it"
    );
}

pub(crate) fn report(line: &str) {
    std::io::stderr()
        .write_all(format!("{line}\n").as_bytes())
        .expect("standard error takes a line");
}

/// Gives each text to a script on a line of its own and returns its answers; none if the program
/// is missing.
pub(crate) fn ask(program: &str, arguments: &[&Path], texts: &[String]) -> Option<Vec<Value>> {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(e) => {
            missing(&format!("{program} cannot be run ({e})"));
            return None;
        }
    };
    let mut input = child.stdin.take().expect("it is piped");
    let lines: Vec<String> = texts
        .iter()
        .map(|t| Value::from(t.as_str()).to_string())
        .collect();
    let writer = std::thread::spawn(move || {
        for line in lines {
            input
                .write_all(format!("{line}\n").as_bytes())
                .expect("the program reads");
        }
    });
    let output = child.wait_with_output().expect("the program ends");
    writer.join().expect("all was written");
    assert!(output.status.success(), "{program} {arguments:?} failed");
    let answers = String::from_utf8(output.stdout).expect("it answers in UTF-8");
    let answers: Vec<Value> = answers
        .lines()
        .map(|line| serde_json::from_str(line).expect("it answers in JSON"))
        .collect();
    assert_eq!(answers.len(), texts.len(), "one answer for each text");
    Some(answers)
}
