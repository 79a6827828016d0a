//! `portreeve policy test`: files of calls, each with the answer it must get.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use portreeve_policy::cases::{self, CallResult, CaseResult, Mismatch};
use portreeve_policy::json::Place;
use serde_json::{Value, json};

use super::case_files::{Found, Loaded, Trouble, find, load};
use super::pins::Pins;
use super::shown;
use crate::admin::Failure;
use crate::cli::output::{Output, Paint, Tone, printable};
use crate::cli::{DataDirArg, Done, FormatArg};
use crate::name::Name;

#[derive(Debug, Args)]
pub(in crate::cli) struct Test {
    /// Files of policy tests (YAML or JSON), or folders, which are searched for them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Hold what the files say of tools against this server's pinned definitions
    #[arg(long)]
    server: Option<Name>,
    #[command(flatten)]
    dir: DataDirArg,
    #[command(flatten)]
    format: FormatArg,
}

impl Test {
    pub(in crate::cli) fn run(self, paint: Paint) -> Done {
        let found = find(&self.files)?;
        let pins = match self.server {
            None => None,
            Some(server) => Some(Pins::of(self.dir.data_dir.as_deref(), server)?),
        };
        let mut report = Report::new(paint);
        for file in &found {
            match load(file) {
                Ok(loaded) => report.add(&loaded, pins.as_ref()),
                Err(trouble) => report.add_trouble(file, trouble),
            }
        }
        report.finish(self.format.json)
    }
}

/// What all files came to.
struct Report {
    paint: Paint,
    out: String,
    remarks: Vec<String>,
    files: Vec<Value>,
    passed: usize,
    failed: usize,
    cases: usize,
    code: u8,
}

impl Report {
    fn new(paint: Paint) -> Self {
        Self {
            paint,
            out: String::new(),
            remarks: Vec::new(),
            files: Vec::new(),
            passed: 0,
            failed: 0,
            cases: 0,
            code: 0,
        }
    }

    fn add(&mut self, loaded: &Loaded, pins: Option<&Pins>) {
        let mut failures = Vec::new();
        let results = cases::run(&loaded.cases, &loaded.policy);
        self.cases += results.len();
        for case in &results {
            for call in &case.calls {
                match &call.mismatch {
                    None => self.passed += 1,
                    Some(mismatch) => {
                        failures.push(self.add_failure(loaded, (case, call), mismatch));
                    }
                }
            }
        }
        let contradictions = pins.map_or_else(Vec::new, |pins| pins.contradictions(&loaded.cases));
        for (offset, what) in contradictions {
            let place = Place::of(&loaded.text, offset);
            self.fail(&loaded.name, place, &what);
            failures.push(json!({ "line": place.line, "column": place.column, "what": what }));
        }
        self.files.push(json!({
            "file": loaded.name, "ok": failures.is_empty(),
            "cases": results.iter().map(|case| json!({
                "name": case.name, "ok": case.passed(), "calls": case.calls.len(),
            })).collect::<Vec<_>>(),
            "failures": failures,
        }));
    }

    fn add_failure(
        &mut self,
        loaded: &Loaded,
        (case, call): (&CaseResult, &CallResult),
        mismatch: &Mismatch,
    ) -> Value {
        let place = Place::of(&loaded.text, call.offset);
        self.fail(&loaded.name, place, &in_words(case, call, mismatch));
        let Mismatch {
            repetition,
            expected,
            expected_rule,
            got,
            ..
        } = mismatch;
        json!({
            "case": case.name, "line": place.line, "column": place.column,
            call.kind: call.name, "why": call.why, "repetition": repetition,
            "expected": { "outcome": expected.as_str(), "rule": expected_rule },
            "got": { "outcome": got.outcome.as_str(), "rule": got.rule, "reason": got.reason },
        })
    }

    fn fail(&mut self, file: &str, place: Place, what: &str) {
        self.failed += 1;
        self.code = self.code.max(1);
        let _ = writeln!(
            self.out,
            "{} {}:{}:{}: {}",
            self.paint.tone(Tone::Bad, "failed"),
            printable(file),
            place.line,
            place.column,
            printable(what).replace('\n', " ")
        );
    }

    fn add_trouble(&mut self, file: &Found, trouble: Trouble) {
        let path = file.path.display().to_string();
        match trouble {
            // The policies that the tests are about lie beside them.
            Trouble::Policy => {}
            Trouble::Another => self
                .remarks
                .push(format!("note: {path} is no file of policy tests")),
            Trouble::Unreadable(failure) => {
                self.code = 3;
                let error = self.paint.tone(Tone::Bad, "error:");
                let _ = writeln!(self.out, "{error} {}", printable(&failure.to_string()));
                self.files
                    .push(json!({ "file": path, "ok": false, "error": failure.what }));
            }
            Trouble::Bad {
                name,
                text,
                problems,
            } => {
                self.code = self.code.max(1);
                self.out
                    .push_str(&shown(&problems, (&name, &text), self.paint));
                self.out.push('\n');
                self.files
                    .push(json!({ "file": path, "ok": false, "in": name, "problems": problems }));
            }
        }
    }

    fn finish(mut self, as_json: bool) -> Done {
        if self.files.is_empty() {
            return Err(Failure::usage(
                "none of the files found is a file of policy tests",
                "such a file has the keys `policy` and `cases`",
            ));
        }
        let output = if as_json {
            Output::json(&json!({
                "ok": self.code == 0, "passed": self.passed, "failed": self.failed,
                "files": self.files,
            }))?
        } else {
            let summary = self.summary();
            self.out.push_str(&summary);
            Output::text(self.out)
        };
        let output = self
            .remarks
            .iter()
            .fold(output, |output, remark| output.remark(&printable(remark)));
        Ok(output.with_code(self.code))
    }

    fn summary(&self) -> String {
        let tone = if self.code == 0 {
            Tone::Good
        } else {
            Tone::Bad
        };
        let result = format!("{} passed, {} failed", self.passed, self.failed);
        let counted = |count: usize, what: &str| {
            let plural = if count == 1 { "" } else { "s" };
            format!("{count} {what}{plural}")
        };
        let broken = self.files.iter().filter(|file| file.get("cases").is_none());
        let broken = match broken.count() {
            0 => String::new(),
            count => format!("; {} could not be run", counted(count, "file")),
        };
        format!(
            "{} ({} in {}){broken}\n",
            self.paint.tone(tone, &result),
            counted(self.cases, "case"),
            counted(self.files.len(), "file"),
        )
    }
}

fn in_words(case: &CaseResult, call: &CallResult, mismatch: &Mismatch) -> String {
    let Mismatch {
        repetition,
        of,
        expected,
        expected_rule,
        got,
    } = mismatch;
    let mut words = format!("{}: {} {}", case.name, call.kind, call.name);
    if *of > 1 {
        let _ = write!(words, " (call {repetition} of {of})");
    }
    let _ = write!(words, ": expected {}", expected.as_str());
    if let Some(rule) = expected_rule {
        let _ = write!(words, " by {rule}");
    }
    let _ = write!(words, ", got {} by {}", got.outcome.as_str(), got.rule);
    if !got.reason.is_empty() {
        let _ = write!(words, ": {}", got.reason);
    }
    if let Some(why) = &call.why {
        let _ = write!(words, " (expected because: {why})");
    }
    words
}
