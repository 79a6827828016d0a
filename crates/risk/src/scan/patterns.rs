//! Phrases that ask something of the model, or of its user behind their back.
//!
//! The table (`patterns.txt`) has a rule, a weight and a pattern in each line; patterns are matched
//! against the [`Skeleton`], in linear time. What a rule means stands in [`MEANINGS`].

use std::sync::{LazyLock, OnceLock};

use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use super::finding::{Finding, Weight};
use super::skeleton::Skeleton;
use super::texts::Text;

/// A line of the table.
struct Pattern {
    rule: &'static str,
    weight: Weight,
    source: &'static str,
    /// Compiled when the set has found it: most never are, and all together take much room.
    regex: OnceLock<Option<Regex>>,
}

impl Pattern {
    fn regex(&self) -> Option<&Regex> {
        let compile = || RegexBuilder::new(self.source).size_limit(SIZE).build().ok();
        self.regex.get_or_init(compile).as_ref()
    }
}

const MEANINGS: [(&str, &str); 29] = [
    (
        "override.instructions",
        "it tells the model to disregard its instructions",
    ),
    ("override.role", "it gives the model another role"),
    (
        "override.template",
        "it imitates the marks between turns of a conversation",
    ),
    ("override.system", "it poses as the system or the developer"),
    ("override.address", "it addresses the model, not the reader"),
    ("secrecy.user", "it asks to keep something from the user"),
    ("secrecy.quiet", "something is to happen quietly"),
    ("consent.user", "nobody is to be asked"),
    ("order.before", "it wants a say before other tools are used"),
    ("order.always", "it wants to be called every time"),
    ("prefer.over", "it wants to be preferred to other tools"),
    ("discredit.others", "it runs other tools down"),
    (
        "files.content",
        "it wants the content of a file that holds secrets",
    ),
    ("files.path", "it names a file that holds secrets"),
    ("secrets.ask", "it wants secrets as arguments"),
    (
        "secrets.conversation",
        "it wants the conversation or the instructions",
    ),
    (
        "channel.parameter",
        "a parameter made to carry something out",
    ),
    (
        "carry.use",
        "a parameter is to be filled with what it has no need of",
    ),
    (
        "exfiltration.address",
        "something is to be sent to an address in the text",
    ),
    (
        "exfiltration.drop",
        "an address where anybody can collect what is sent there",
    ),
    ("exfiltration.copy", "a copy is to go to somebody else"),
    ("shadow.behaviour", "it says how other tools are to be used"),
    (
        "lure.command",
        "a command that fetches and runs, or takes apart",
    ),
    ("command.run", "a command is to be run first"),
    (
        "break.markup",
        "it closes marks that it did not open, to leave its place",
    ),
    (
        "shadow.install",
        "something is to be different as long as this server is there",
    ),
    (
        "shadow.through",
        "what other tools get is to go through this one",
    ),
    (
        "address.orders",
        "it gives the model orders, not the reader",
    ),
    ("lure.pressure", "it threatens or presses"),
];

fn lines() -> impl Iterator<Item = Pattern> {
    include_str!("patterns.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(pattern)
}

fn pattern(line: &'static str) -> Option<Pattern> {
    let (rule, rest) = line.split_once(' ')?;
    let (weight, source) = rest.split_once(' ')?;
    let weight = match weight {
        "hint" => Weight::Hint,
        "sign" => Weight::Sign,
        "clear" => Weight::Clear,
        _ => return None,
    };
    Some(Pattern {
        rule,
        weight,
        source,
        regex: OnceLock::new(),
    })
}

/// How large a compiled set may become; the test says if it is too little.
const SIZE: usize = 64 << 20;

struct Table {
    patterns: Vec<Pattern>,
    all: Option<RegexSet>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let patterns: Vec<_> = lines().collect();
    let sources = patterns.iter().map(|pattern| pattern.source);
    let all = RegexSetBuilder::new(sources).size_limit(SIZE).build().ok();
    Table { patterns, all }
});

pub(super) fn look(text: &Text<'_>, skeleton: &Skeleton, findings: &mut Vec<Finding>) {
    let table = &*TABLE;
    let matched: Vec<usize> = match &table.all {
        Some(all) => all.matches(&skeleton.text).into_iter().collect(),
        None => (0..table.patterns.len()).collect(),
    };
    for at in matched {
        let Some(pattern) = table.patterns.get(at) else {
            continue;
        };
        let names_only = pattern.rule == "channel.parameter";
        if names_only != (text.is_key && text.is_name) || (text.is_key && !text.is_name) {
            continue;
        }
        let Some(found) = pattern.regex().and_then(|regex| regex.find(&skeleton.text)) else {
            continue;
        };
        if is_excused(
            pattern.rule,
            found.as_str(),
            skeleton.text.get(found.end()..),
        ) {
            continue;
        }
        let meaning = MEANINGS
            .iter()
            .find(|(rule, _)| *rule == pattern.rule)
            .map_or("", |(_, meaning)| meaning);
        findings.push(Finding::of(
            pattern.rule,
            pattern.weight,
            &text.pointer,
            found.as_str(),
            meaning,
        ));
    }
}

/// Innocent readings that a pattern cannot leave out: a key that is public, an example.
fn is_excused(rule: &str, found: &str, after: Option<&str>) -> bool {
    match rule {
        "files.content" | "files.path" => {
            let rest = found.replace(".pub", "").len() < found.len();
            let public = rest || after.is_some_and(|after| after.starts_with(".pub"));
            let only =
                found.matches("id_rsa").count() <= found.matches("id_rsa.pub").count().max(1);
            found.contains("public") || (public && only)
        }
        "exfiltration.address" => [
            "e.g",
            "for example",
            "example:",
            "examples",
            "such as",
            "wildcard",
            "localhost",
            "127.0.0.1",
        ]
        .iter()
        .any(|word| found.contains(word)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_understood() {
        let written = include_str!("patterns.txt")
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in written {
            let pattern = pattern(line).unwrap_or_else(|| panic!("not understood: {line}"));
            assert!(
                MEANINGS.iter().any(|(rule, _)| *rule == pattern.rule),
                "no meaning: {line}"
            );
            if let Err(error) = RegexBuilder::new(pattern.source).size_limit(SIZE).build() {
                panic!("{line}: {error}");
            }
        }
        assert!(TABLE.all.is_some(), "the set is too large");
    }
}
