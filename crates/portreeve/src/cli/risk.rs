//! `portreeve risk …`: verdicts and findings for definitions from anywhere; needs no data directory.

mod tools;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use portreeve_policy::json::{Rules, Value as Tree, parse};
use portreeve_risk::scan::{self, Names};
use portreeve_risk::{Bit, Class, Definition, Verdict, judge, recommend};
use serde_json::{Value, json};

use super::Done;
use super::output::{Output, Paint, Table, Tone, plain, printable};
use crate::admin::Failure;

pub(super) use tools::Tools;

#[derive(Debug, Subcommand)]
pub(super) enum Risk {
    /// Say what tools can do at worst, and why: one verdict a line, as JSON
    Classify {
        #[command(flatten)]
        input: Input,
        /// A table for people instead
        #[arg(long, conflicts_with = "json")]
        table: bool,
    },
    /// Look for text in definitions that is meant for the model instead of people: one line for each
    /// definition in which something was found, as JSON
    #[command(
        after_help = "`warn` is one sign; `quarantine` is two that are independent of each other, or \
                            one that has no innocent reading. What is found is quoted with its invisible \
                            characters escaped."
    )]
    Scan {
        #[command(flatten)]
        input: Input,
        /// End with exit code 1 if anything of this level is found
        #[arg(long, value_name = "LEVEL")]
        fail_on: Option<FailOn>,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Input {
    /// A `tools/list` result or definitions, one a line; `-` for standard input
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,
    /// The server whose tools they are, where they do not say it
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// Print JSON; it is what is printed anyway
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    Warn,
    Quarantine,
}

impl Risk {
    pub(super) fn run(self, paint: Paint) -> Done {
        match self {
            Self::Classify { input, table } => {
                let tools = input.read()?;
                if table {
                    in_table(&tools, paint)
                } else {
                    in_lines(&tools)
                }
            }
            Self::Scan { input, fail_on } => findings(&input.read()?, fail_on),
        }
    }
}

impl Input {
    fn read(&self) -> Result<Tools, Failure> {
        let tools = Tools::read(&self.file)?;
        Ok(match &self.server {
            Some(server) => tools.of_server(server),
            None => tools,
        })
    }
}

fn each(
    tools: &Tools,
    mut with: impl FnMut(&Tree<'_>, &Definition<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for (place, text) in tools.iter() {
        let unreadable = |why: &str| Tools::unreadable(place, why);
        let tree =
            parse(text.as_bytes(), Rules::MESSAGE).map_err(|e| unreadable(&e.to_string()))?;
        let definition = Definition::of_tree(&tree, Some(tools.server_of(&tree)))
            .map_err(|error| unreadable(&error.to_string()))?;
        with(&tree, &definition)?;
    }
    Ok(())
}

fn in_lines(tools: &Tools) -> Done {
    let mut out = String::new();
    each(tools, |_, definition| {
        out.push_str(&verdict(definition, &judge(definition)).to_string());
        out.push('\n');
        Ok(())
    })?;
    Ok(Output::text(out))
}

/// A verdict as programs read it.
fn verdict(definition: &Definition<'_>, verdict: &Verdict) -> Value {
    let signals: Vec<Value> = verdict
        .signals
        .iter()
        .map(|signal| {
            json!({
                "id": signal.rule,
                "text": signal.meaning,
                "evidence": signal.words,
                "place": signal.place.spoken(),
                "class": signal.class.as_str(),
                "weight": signal.weight,
            })
        })
        .collect();
    let policy = recommend::for_tool(definition, verdict);
    json!({
        "server": definition.server,
        "tool": definition.name,
        "class": verdict.class.as_str(),
        "also": verdict.also.iter().map(Class::as_str).collect::<Vec<_>>(),
        "level": verdict.level.as_str(),
        "bits": verdict.bits.iter().map(Bit::as_str).collect::<Vec<_>>(),
        "marks": verdict.marks.iter().map(|mark| mark.as_str()).collect::<Vec<_>>(),
        "signals": signals,
        "confidence": f64::from(verdict.confidence.0) / 100.0,
        "rationale": verdict.rationale,
        "policy": serde_json::from_str::<Value>(&policy).unwrap_or_default(),
    })
}

fn in_table(tools: &Tools, paint: Paint) -> Done {
    let mut table = Table::new(paint, ["TOOL", "CLASS", "LEVEL", "WHY"]);
    each(tools, |_, definition| {
        let verdict = judge(definition);
        let tone = match verdict.level {
            portreeve_risk::Level::Low => Tone::Good,
            portreeve_risk::Level::Medium | portreeve_risk::Level::High => Tone::Waiting,
            portreeve_risk::Level::Critical => Tone::Bad,
        };
        table.row([
            plain(definition.name),
            (verdict.class.as_str().to_owned(), tone),
            plain(verdict.level.as_str()),
            plain(&verdict.rationale),
        ]);
        Ok(())
    })?;
    Ok(Output::text(table.render()))
}

fn findings(tools: &Tools, fail_on: Option<FailOn>) -> Done {
    let others = others(tools)?;
    let nobody = Names::default();
    let mut out = String::new();
    let mut worst = scan::Level::Nothing;
    each(tools, |tree, definition| {
        let names = others.get(definition.server).unwrap_or(&nobody);
        let found = scan::scan(tree, names);
        let level = scan::level(&found);
        if level == scan::Level::Nothing {
            return Ok(());
        }
        worst = worst.max(level);
        let found: Vec<Value> = found
            .iter()
            .map(|finding| {
                json!({
                    "id": finding.rule,
                    "text": finding.meaning,
                    "evidence": finding.words,
                    "place": printable(&finding.place),
                })
            })
            .collect();
        let line = json!({
            "server": definition.server,
            "tool": printable(definition.name),
            "level": level.as_str(),
            "findings": found,
        });
        out.push_str(&line.to_string());
        out.push('\n');
        Ok(())
    })?;
    let fails = match fail_on {
        None => false,
        Some(FailOn::Warn) => worst >= scan::Level::Warn,
        Some(FailOn::Quarantine) => worst >= scan::Level::Quarantine,
    };
    Ok(Output::text(out).with_code(u8::from(fails)))
}

/// For each server of the input, the names of the others' tools that it has none of itself.
fn others(tools: &Tools) -> Result<BTreeMap<String, Names>, Failure> {
    const MOST: usize = 64;
    let mut by_server: BTreeMap<String, Vec<String>> = BTreeMap::new();
    each(tools, |_, definition| {
        let names = by_server.entry(definition.server.to_owned()).or_default();
        names.push(definition.name.to_owned());
        Ok(())
    })?;
    // A whole catalogue is no set of servers that one agent sees.
    if by_server.len() < 2 || by_server.len() > MOST {
        return Ok(BTreeMap::new());
    }
    let of_others = |server: &String, own: &Vec<String>| {
        let others = by_server.iter().filter(|(other, _)| *other != server);
        let names = others.flat_map(|(_, names)| names.iter());
        Names::of(names.filter(|name| !own.contains(name)).map(String::as_str))
    };
    Ok(by_server
        .iter()
        .map(|(server, own)| (server.clone(), of_others(server, own)))
        .collect())
}
