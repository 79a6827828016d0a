//! Measures the judge against labelled definitions: development only.
//!
//! `cargo run -p portreeve-risk --example evaluate -- dev|held|all [--errors|--verdicts] FILE…`
//! `cargo run -p portreeve-risk --example evaluate -- scan [--errors] FILE…`: how many are warned of
//!
//! A file has one JSON object a line: `server`, `tool` (or `name`), `description`, `inputSchema` (or
//! `input_schema`), and the label: `class`, with `accepted` where a second class may be right.
//! Tools are parted by their SERVER's name, never by tool: a hash puts a third of the servers into the
//! held-out part. Errors are listed for the part that is developed on, unless `all` or `held` is asked.

#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    clippy::similar_names,
    reason = "a tool for whoever develops the judge: what does not fit ends it"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use portreeve_policy::compile;
use portreeve_policy::json::{Rules, Value, parse};
use portreeve_risk::scan::{Level, Names, level, scan};
use portreeve_risk::{Class, Definition, Verdict, judge, recommend};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let part = arguments.first().cloned().unwrap_or_default();
    let errors = arguments.iter().any(|a| a == "--errors");
    let dump = arguments.iter().any(|a| a == "--verdicts");
    if part == "scan" {
        return scan_files(&arguments, errors);
    }
    let mut tally = Tally::default();
    for path in arguments.iter().skip(1).filter(|a| !a.starts_with("--")) {
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let tree =
                parse(line.as_bytes(), Rules::MESSAGE).unwrap_or_else(|e| panic!("{path}: {e:?}"));
            let row = Row::of(&tree);
            if !is_in(&part, row.definition.server) {
                continue;
            }
            let verdict = judge(&row.definition);
            if let Err(problems) =
                compile(recommend::for_tool(&row.definition, &verdict).as_bytes())
            {
                println!("no policy: {} {:?}", row.definition.name, problems.first());
            }
            if dump {
                println!(
                    "{}\t{}\t{}\t{}",
                    verdict.class.as_str(),
                    row.definition.server,
                    row.definition.name,
                    one_line(row.definition.description, 140)
                );
                continue;
            }
            tally.note(&row, &verdict, errors);
        }
    }
    if !dump {
        println!("{}", tally.report());
    }
}

/// How many definitions of each file the scan finds something in.
fn scan_files(arguments: &[String], errors: bool) {
    for path in arguments.iter().skip(1).filter(|a| !a.starts_with("--")) {
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut levels = BTreeMap::<&str, usize>::new();
        let mut all = 0_usize;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let tree =
                parse(line.as_bytes(), Rules::MESSAGE).unwrap_or_else(|e| panic!("{path}: {e:?}"));
            let findings = scan(&tree, &Names::default());
            let level = level(&findings);
            all += 1;
            *levels.entry(level.as_str()).or_default() += 1;
            if errors && level > Level::Nothing {
                let text = |key| tree.get(key).and_then(Value::as_str).unwrap_or_default();
                println!(
                    "{} {} / {}{}",
                    level.as_str(),
                    text("server"),
                    text("tool"),
                    text("name")
                );
                for finding in findings {
                    println!(
                        "      {:?} {} {} {:?}",
                        finding.weight, finding.rule, finding.place, finding.words
                    );
                }
            }
        }
        println!("{path}: {all} definitions, {levels:?}");
    }
}

/// Whether a server belongs to a part: one third, by the FNV-1a hash of its name, is held out.
fn is_in(part: &str, server: &str) -> bool {
    let hash = server
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    match part {
        "dev" => hash % 3 != 0,
        "held" => hash % 3 == 0,
        _ => true,
    }
}

struct Row<'a> {
    definition: Definition<'a>,
    class: Option<&'a str>,
    accepted: Vec<&'a str>,
    bits: Option<Vec<&'a str>>,
}

impl<'a> Row<'a> {
    fn of(tree: &'a Value<'a>) -> Self {
        let text = |key| tree.get(key).and_then(Value::as_str);
        let mut definition =
            Definition::of_tree(tree, text("server")).unwrap_or_else(|_| Definition {
                description: text("description").unwrap_or_default(),
                input_schema: tree.get("inputSchema").or_else(|| tree.get("input_schema")),
                server: text("server").unwrap_or_default(),
                ..Definition::named(text("tool").unwrap_or_default())
            });
        if definition.input_schema.is_some_and(Value::is_null) {
            definition.input_schema = None;
        }
        let list = |key| {
            tree.get(key)
                .and_then(Value::elements)
                .map(|list| list.iter().filter_map(Value::as_str).collect::<Vec<_>>())
        };
        Self {
            definition,
            class: text("class").or_else(|| text("label")),
            accepted: list("accepted").unwrap_or_default(),
            bits: list("bits"),
        }
    }
}

#[derive(Default)]
struct Tally {
    /// (label, verdict) → how many.
    table: BTreeMap<(String, &'static str), usize>,
    tools: usize,
    right: usize,
    accepted: usize,
    unknown: usize,
    harmful: usize,
    missed: usize,
    missed_for_sure: usize,
    bits: [usize; 3],
    micros: Vec<f64>,
}

impl Tally {
    fn note(&mut self, row: &Row<'_>, verdict: &Verdict, errors: bool) {
        self.time(row);
        let Some(label) = row.class.map(str::to_lowercase) else {
            return;
        };
        if label == "other" || label == "unknown" {
            return;
        }
        self.tools += 1;
        let said = verdict.class.as_str();
        *self.table.entry((label.clone(), said)).or_default() += 1;
        let fits = label == said || row.accepted.contains(&said);
        self.right += usize::from(label == said);
        self.accepted += usize::from(fits);
        self.unknown += usize::from(verdict.class == Class::Unknown);
        if label != "read" {
            self.harmful += 1;
            self.missed += usize::from(said == "read");
            self.missed_for_sure += usize::from(said == "read" && !row.accepted.contains(&"read"));
        }
        if let Some(bits) = &row.bits {
            for bit in verdict.bits.iter() {
                self.bits[usize::from(!bits.contains(&bit.as_str()))] += 1;
            }
            let absent = |bit: &&&str| !verdict.bits.iter().any(|has| has.as_str() == **bit);
            self.bits[2] += bits.iter().filter(absent).count();
        }
        if errors && !fits {
            let unsafe_miss = if label != "read" && said == "read" {
                "!! "
            } else {
                ""
            };
            println!(
                "{unsafe_miss}{label} → {said}  {} / {}  {}",
                row.definition.server,
                row.definition.name,
                one_line(row.definition.description, 160)
            );
            for signal in &verdict.signals {
                println!(
                    "      {:3} {} {} {:?}",
                    signal.weight,
                    signal.class.as_str(),
                    signal.rule,
                    signal.words
                );
            }
        }
    }

    fn time(&mut self, row: &Row<'_>) {
        const ROUNDS: u32 = 3;
        #[expect(clippy::disallowed_methods, reason = "this is what is measured")]
        let start = std::time::Instant::now();
        for _ in 0..ROUNDS {
            std::hint::black_box(judge(std::hint::black_box(&row.definition)));
        }
        self.micros
            .push(start.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS));
    }

    #[expect(clippy::cast_precision_loss, reason = "a few thousand tools")]
    fn report(&mut self) -> String {
        let mut out = String::new();
        let percent = |part: usize, of: usize| 100.0 * part as f64 / of.max(1) as f64;
        let _ = writeln!(
            out,
            "{} tools with a label: {:.1}% the label, {:.1}% the label or an accepted class, \
            {:.1}% unknown",
            self.tools,
            percent(self.right, self.tools),
            percent(self.accepted, self.tools),
            percent(self.unknown, self.tools)
        );
        let (low, high) = wilson(self.missed, self.harmful);
        let _ = writeln!(
            out,
            "unsafe misses (write or worse called read): {} of {} = {:.1}% ({:.1}–{:.1}%); \
            {} where read is not accepted",
            self.missed,
            self.harmful,
            percent(self.missed, self.harmful),
            100.0 * low,
            100.0 * high,
            self.missed_for_sure
        );
        let classes = [
            "read",
            "write",
            "execute",
            "destructive",
            "financial",
            "unknown",
        ];
        let _ = writeln!(
            out,
            "{:>12} {}",
            "label↓",
            classes.map(|c| format!("{c:>11}")).concat()
        );
        let mut f1 = 0.0;
        for label in classes.iter().take(5) {
            let at = |l: &str, c: &str| {
                self.table
                    .iter()
                    .find(|((a, b), _)| a == l && *b == c)
                    .map_or(0, |(_, n)| *n)
            };
            let right = at(label, label);
            let labelled: usize = classes.iter().map(|c| at(label, c)).sum();
            let said: usize = classes.iter().map(|l| at(l, label)).sum();
            let (p, r) = (percent(right, said), percent(right, labelled));
            f1 += if p + r > 0.0 {
                2.0 * p * r / (p + r) / 5.0
            } else {
                0.0
            };
            let cells = classes.map(|c| format!("{:>11}", at(label, c))).concat();
            let _ = writeln!(out, "{label:>12} {cells}   precision {p:.1} recall {r:.1}");
        }
        let _ = writeln!(out, "macro-F1 {f1:.1}");
        let [both, extra, absent] = self.bits;
        if both + extra + absent > 0 {
            let _ = writeln!(
                out,
                "bits: precision {:.1} recall {:.1}",
                percent(both, both + extra),
                percent(both, both + absent)
            );
        }
        self.micros.sort_by(f64::total_cmp);
        let at = |share: usize| {
            self.micros
                .get(self.micros.len() * share / 100)
                .copied()
                .unwrap_or_default()
        };
        let mean = self.micros.iter().sum::<f64>() / self.micros.len().max(1) as f64;
        let _ = write!(
            out,
            "µs a tool: mean {mean:.1}, median {:.1}, p99 {:.1}",
            at(50),
            at(99)
        );
        out
    }
}

/// The 95% interval of a share.
#[expect(clippy::cast_precision_loss, reason = "a few thousand tools")]
fn wilson(part: usize, of: usize) -> (f64, f64) {
    if of == 0 {
        return (0.0, 1.0);
    }
    let (n, z) = (of as f64, 1.96);
    let p = part as f64 / n;
    let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt() / (1.0 + z * z / n);
    ((middle - half).max(0.0), middle + half)
}

fn one_line(text: &str, longest: usize) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(longest)
        .collect()
}
