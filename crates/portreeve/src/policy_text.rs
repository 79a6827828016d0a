//! The one door to the policy language's compiler for texts that people write.
//!
//! It keeps together what the rest of the program asks of a text: is it a policy, which tools
//! does it name, and how is a problem shown to a person. What a policy means is the language's.

use std::fmt::Write as _;

use portreeve_policy::json::{Place, Rules, parse};
use serde::{Deserialize, Serialize};

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
    pub warnings: Vec<Problem>,
}

/// Compiles a text that is to be in force here.
///
/// INVARIANT: what the gate does not carry out is refused, never ignored. The language knows rules
/// about what a caller has seen before; this version of the gate does not remember that yet.
pub fn compile(text: &[u8]) -> Result<portreeve_policy::Checked, Vec<portreeve_policy::Problem>> {
    let checked = portreeve_policy::compile(text)?;
    let beyond = not_carried_out(text);
    if beyond.is_empty() {
        Ok(checked)
    } else {
        Err(beyond)
    }
}

/// Checks a text as [`compile`] does, for people.
pub fn check(text: &[u8]) -> Result<Checked, Vec<Problem>> {
    let compiled = compile(text).map_err(sendable)?;
    let tools = compiled.policy.tool_names();
    Ok(Checked {
        tools: tools.map(|(name, _)| name.to_owned()).collect(),
        warnings: sendable(compiled.warnings),
    })
}

/// Rules that need something done around a call, or after it, which the gate does not do yet.
fn not_carried_out(text: &[u8]) -> Vec<portreeve_policy::Problem> {
    let Ok(document) = parse(text, Rules::DOCUMENT) else {
        return Vec::new();
    };
    let members = document.members().unwrap_or_default();
    let flow = members.iter().filter(|member| member.key == "flow");
    flow.map(|member| portreeve_policy::Problem {
        severity: portreeve_policy::Severity::Error,
        pointer: "/flow".to_owned(),
        place: Place::of(text, member.key_span.start as usize),
        message: "`flow` is not carried out by this version of Portreeve yet; remove it".to_owned(),
        suggestion: None,
    })
    .collect()
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
    let mut shown = format!("{severity}: {}\n", problem.message);
    let margin = problem.line.to_string().len();
    let _ = writeln!(
        shown,
        "{:margin$}--> {file}:{}:{}",
        "", problem.line, problem.column
    );
    if let Some(line) = text.lines().nth(problem.line.saturating_sub(1)) {
        let (line, column) = window(line, problem.column);
        let _ = writeln!(shown, "{:margin$} |", "");
        let _ = writeln!(shown, "{} | {line}", problem.line);
        let _ = writeln!(shown, "{:margin$} | {:>column$}", "", "^");
    }
    if !problem.pointer.is_empty() {
        let (pointer, _) = window(&problem.pointer, 1);
        let _ = writeln!(shown, "{:margin$} = at {pointer}", "");
    }
    if let Some(word) = &problem.suggestion {
        let _ = writeln!(shown, "{:margin$} = did you mean `{word}`?", "");
    }
    shown
}

/// The part of a line that fits a terminal, with the column in it; what could disturb the terminal
/// is replaced.
fn window(line: &str, column: usize) -> (String, usize) {
    const WIDTH: usize = 96;
    let skip = if column > WIDTH {
        column - WIDTH / 2
    } else {
        0
    };
    let shown = line
        .chars()
        .skip(skip)
        .take(WIDTH)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    (shown, column.saturating_sub(skip))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_gate_does_not_carry_out_is_refused() {
        let text = r#"{"version":"1","default":"deny","flow":[{"name":"f","after":["a"],"then":["b"],"action":"deny","for":"30m"}]}"#;
        portreeve_policy::compile(text.as_bytes()).expect("the language knows it");
        let problems = check(text.as_bytes()).expect_err("the gate does not");
        assert_eq!(problems[0].pointer, "/flow");
        assert!(problems[0].message.contains("not carried out"));
        check(br#"{"version":"1","default":"deny","tools":{"flow":{}}}"#).expect("a tool's name");
    }

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
