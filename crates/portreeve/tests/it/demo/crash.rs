//! The state file under `kill -9`: nothing that was seen as completed is lost, and no completed
//! step is executed again.
//!
//! A killed process leaves what it handed to the kernel; a power cut is not tested here, only
//! provided for (every completion is synced before anybody can see it).

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

const KILLS: u32 = 30;
/// Runs that are unfinished at the same time.
const BUSY: usize = 3;
const LONGEST_LIFE_MICROS: u64 = 40_000;

/// The program on a state file.
struct Demo {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

/// The pipe is closed: the process is gone.
struct Gone;

impl Demo {
    fn start(state: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_portreeve"))
            .args(["demo", "--stdio", "--state"])
            .arg(state)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
        }
    }

    /// Calls a tool and answers with its structured content, or its text.
    fn call(&mut self, tool: &str, arguments: &Value) -> Result<Value, Gone> {
        let params = json!({ "name": tool, "arguments": arguments });
        let message =
            json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        writeln!(self.input, "{message}").map_err(|_| Gone)?;
        let line = self.output.next().and_then(Result::ok).ok_or(Gone)?;
        // A line that the kill cut off is no answer.
        let answer: Value = serde_json::from_str(&line).map_err(|_| Gone)?;
        let result = &answer["result"];
        let structured = result.get("structuredContent");
        Ok(structured.unwrap_or(&result["content"][0]["text"]).clone())
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A small generator (xorshift), so that every run of the test kills alike.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// What was seen of runs, by id: how often each step was executed, for the completed ones.
type Seen = BTreeMap<String, Vec<Option<u64>>>;

fn completed(steps: &Value) -> Vec<Option<u64>> {
    let steps = steps["steps"].as_array().unwrap();
    let memoized = |step: &Value| {
        let done = step["status"] == "completed";
        done.then(|| step["executions"].as_u64().unwrap())
    };
    steps.iter().map(memoized).collect()
}

/// Looks at every run known so far. What was completed must still be, by the same executions.
fn look(demo: &mut Demo, seen: &mut Seen) -> Result<usize, Gone> {
    let mut unfinished = 0;
    for (id, before) in seen {
        let steps = demo.call("list_steps", &json!({ "run_id": id }))?;
        assert!(steps["steps"].is_array(), "run {id} was lost: {steps}");
        let now = completed(&steps);
        for (before, now) in before.iter().zip(&now) {
            assert!(
                before.is_none() || before == now,
                "{id}: {before:?} then {now:?}"
            );
        }
        *before = now;
        if steps["status"] == "failed" {
            demo.call("flowforge_retry_run", &json!({ "run_id": id }))?;
        }
        unfinished += usize::from(steps["status"] != "completed");
    }
    Ok(unfinished)
}

fn start_run(demo: &mut Demo, seen: &mut Seen, chance: &mut Chance) -> Result<(), Gone> {
    let plan = json!({
        "workflow": "crash",
        "steps": 8,
        "step_ms": chance.below(4),
        "fail_at": 1 + chance.below(8),
        "fail_times": 2,
    });
    let run = demo.call("start_run", &plan)?;
    seen.insert(run["id"].as_str().unwrap().to_owned(), vec![None; 8]);
    Ok(())
}

/// Works until the process is killed under it.
fn work(mut demo: Demo, seen: &mut Seen, chance: &mut Chance) {
    let life = Duration::from_micros(chance.below(LONGEST_LIFE_MICROS));
    let process = Pid::from_child(&demo.child);
    std::thread::scope(|scope| {
        // The pause is the random moment of the kill; nothing waits for it.
        scope.spawn(move || {
            std::thread::sleep(life);
            kill_process(process, Signal::KILL).unwrap();
        });
        let mut step = || -> Result<(), Gone> {
            if look(&mut demo, seen)? < BUSY {
                start_run(&mut demo, seen, chance)?;
            }
            Ok(())
        };
        while step().is_ok() {}
    });
    demo.child.wait().unwrap();
}

/// What the journal itself says: of each step of the test's runs one completion at most, and no
/// beginning after it.
fn check_journal(path: &Path, runs: &Seen) -> usize {
    let text = std::fs::read_to_string(path).unwrap();
    let mut done = BTreeSet::new();
    for line in text.lines().skip(1) {
        let commit: Value = serde_json::from_str(line).unwrap();
        for change in commit["changes"].as_array().unwrap() {
            let of_test = change["run"]
                .as_str()
                .is_some_and(|id| runs.contains_key(id));
            let step = (change["run"].to_string(), change["step"].to_string());
            match change["change"].as_str().unwrap() {
                "step_began" if of_test => assert!(!done.contains(&step), "begun again: {line}"),
                "step_ended" if of_test && change["end"]["as"] == "completed" => {
                    assert!(done.insert(step), "completed twice: {line}");
                }
                _ => {}
            }
        }
    }
    done.len()
}

#[test]
fn thirty_kills_lose_nothing_and_repeat_no_completed_step() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("runs.journal");
    let mut chance = Chance(0x5eed_5eed_5eed_5eed);
    let mut seen = Seen::new();
    for _ in 0..KILLS {
        work(Demo::start(&state), &mut seen, &mut chance);
    }
    assert!(seen.len() >= BUSY, "the kills left time for work");

    let mut demo = Demo::start(&state);
    while look(&mut demo, &mut seen)
        .ok()
        .expect("nobody kills it now")
        > 0
    {}
    for (id, steps) in &seen {
        assert!(
            steps.iter().all(Option::is_some),
            "{id} is completed: {steps:?}"
        );
        // The failing step failed twice; every other was executed once.
        let executions: u64 = steps.iter().flatten().sum();
        assert_eq!(executions, 8 + 2, "{id}: {steps:?}");
    }
    demo.kill();
    assert_eq!(check_journal(&state, &seen), seen.len() * 8);
}
