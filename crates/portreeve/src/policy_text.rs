//! The one door to the policy language's compiler for texts that people write.
//!
//! It keeps together what the rest of the program asks of a text: is it a policy, which tools
//! does it name, and how is a problem shown to a person. What a policy means is the language's.

use serde::{Deserialize, Serialize};

use crate::excerpt::{Excerpt, Notice, draw, window};

/// A problem of a policy text, in a form that can be sent and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub severity: Severity,
    /// JSON Pointer to the place.
    pub pointer: String,
    pub line: usize,
    pub column: usize,
    pub message: String,
    pub suggestion: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Error,
    Warning,
}

/// What is known of a text that is a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// The tools that it names by their exact names.
    pub tools: Vec<String>,
    /// The people that it names as approvers, each with the rule that does.
    pub approvers: Vec<(String, String)>,
    /// Whether it can make a call wait for people.
    pub asks_people: bool,
    pub warnings: Vec<Problem>,
}

/// Compiles a text that is to be in force here. The gate carries out the whole language, so there is
/// nothing that it would have to refuse of what the language takes.
pub fn compile(text: &[u8]) -> Result<portreeve_policy::Checked, Vec<portreeve_policy::Problem>> {
    portreeve_policy::compile(text)
}

/// Checks a text as [`compile`] does, for people.
pub fn check(text: &[u8]) -> Result<Checked, Vec<Problem>> {
    let compiled = compile(text).map_err(|problems| meant(text, sendable(problems)))?;
    let tools = compiled.policy.tool_names();
    let approvers = compiled.policy.approvers();
    Ok(Checked {
        approvers: approvers
            .map(|(name, rule)| (name.to_owned(), rule.to_string()))
            .collect(),
        tools: tools.map(|(name, _)| name.to_owned()).collect(),
        asks_people: compiled.policy.asks_people(),
        warnings: sendable(compiled.warnings),
    })
}

/// Of a text that is no JSON at all, what else it may be is said instead.
fn meant(text: &[u8], problems: Vec<Problem>) -> Vec<Problem> {
    let words = text.trim_ascii_start();
    let begins = |all: &[&[u8]]| all.iter().any(|with| words.starts_with(with));
    let looks_like = if begins(&[b"{"]) || words.is_empty() {
        return problems;
    } else if begins(&[b"package ", b"import "]) {
        "it looks like Rego; "
    } else if begins(&[b"permit", b"forbid", b"@"]) {
        "it looks like Cedar; "
    } else if begins(&[b"version:", b"---", b"# "]) {
        "it looks like YAML; "
    } else {
        ""
    };
    let mut problems = problems;
    problems.truncate(1);
    for problem in &mut problems {
        problem.message = format!(
            "this is not JSON: {looks_like}a policy is a JSON object such as {{ \"version\": \"1\", \
             \"default\": \"deny\", \"tools\": {{}} }} (`portreeve policy schema` has all of it)"
        );
    }
    problems
}

/// The language's problems in the form that can be sent and shown.
pub fn sendable(problems: Vec<portreeve_policy::Problem>) -> Vec<Problem> {
    let convert = |problem: portreeve_policy::Problem| Problem {
        severity: match problem.severity {
            portreeve_policy::Severity::Error => Severity::Error,
            portreeve_policy::Severity::Warning => Severity::Warning,
        },
        pointer: problem.pointer,
        line: problem.place.line,
        column: problem.place.column,
        message: problem.message,
        suggestion: problem.suggestion,
    };
    problems.into_iter().map(convert).collect()
}

/// The problem as a compiler shows it: what, where, the line, a caret, and what was meant.
pub fn show(problem: &Problem, file: &str, text: &str) -> String {
    let severity = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut notes = Vec::new();
    if !problem.pointer.is_empty() {
        notes.push(format!("at {}", window(&problem.pointer, 1).0));
    }
    if let Some(word) = &problem.suggestion {
        notes.push(format!("did you mean `{word}`?"));
    }
    draw(&Notice {
        head: &format!("{severity}: {}", problem.message),
        file,
        line: problem.line,
        column: problem.column,
        excerpt: Excerpt::of(text, problem.line, problem.column).as_ref(),
        notes: &notes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_shown_with_its_line_and_a_caret() {
        let text = "{\n\t\"version\": }";
        let problems = check(text.as_bytes()).expect_err("no policy");
        let shown = show(&problems[0], "p.json", text);
        assert!(shown.contains(" --> p.json:2:13\n"), "{shown}");
        assert!(shown.contains("2 |  \"version\": }\n"), "{shown}");
        assert!(shown.contains("\n  |             ^\n"), "{shown}");
    }

    #[test]
    fn what_is_no_json_is_said_to_be_none() {
        for (text, says) in [
            ("package mcp\ndefault allow := false", "it looks like Rego"),
            (
                "permit(principal, action, resource);",
                "it looks like Cedar",
            ),
            ("version: '1'\ndefault: deny", "it looks like YAML"),
            ("hello", "this is not JSON: a policy is"),
        ] {
            let problems = check(text.as_bytes()).expect_err("no policy");
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].message.contains(says), "{problems:?}");
        }
        let problems = check(b"{").expect_err("no policy");
        assert!(!problems[0].message.contains("not JSON:"), "{problems:?}");
    }

    #[test]
    fn a_very_long_line_is_shown_around_the_place() {
        let text = format!("{{\"{}\": }}", "x".repeat(10_000));
        let problems = check(text.as_bytes()).expect_err("no policy");
        let shown = show(&problems[0], "p.json", &text);
        assert!(shown.lines().all(|line| line.len() < 120), "{shown}");
        let caret = shown
            .lines()
            .find(|line| line.ends_with('^'))
            .expect("a caret");
        let line = shown
            .lines()
            .find(|line| line.starts_with("1 |"))
            .expect("the line");
        assert_eq!(line.chars().nth(caret.len() - 1), Some('}'));
    }
}
