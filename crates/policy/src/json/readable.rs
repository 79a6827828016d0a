//! A value as people read it: two spaces a level, and on one line what fits there.
//!
//! Members keep their order and numbers have one spelling, so that texts can be compared line by
//! line.

use super::canonical::write_string;
use super::value::{Kind, Value};
use crate::decimal::canonical_number;

/// How many characters a list or an object may have to stand on one line.
const WIDTH: usize = 80;

/// Writes `value` over several lines where it is long.
pub fn readable(value: &Value<'_>) -> String {
    let mut out = String::new();
    write(value, 0, &mut out);
    out.push('\n');
    out
}

// The recursion is bounded by the depth the value was read with.
fn write(value: &Value<'_>, level: usize, out: &mut String) {
    let line = on_one_line(value);
    if line.chars().count() <= WIDTH {
        out.push_str(&line);
        return;
    }
    match &value.kind {
        Kind::Array(elements) => each(elements, ('[', ']'), level, out, |element, out| {
            write(element, level.saturating_add(1), out);
        }),
        Kind::Object(members) => each(members, ('{', '}'), level, out, |member, out| {
            write_string(&member.key, out);
            out.push_str(": ");
            write(&member.value, level.saturating_add(1), out);
        }),
        _ => out.push_str(&line),
    }
}

fn each<T>(
    parts: &[T],
    (open, close): (char, char),
    level: usize,
    out: &mut String,
    write: impl Fn(&T, &mut String),
) {
    let indent = |level: usize| "  ".repeat(level);
    out.push(open);
    for (i, part) in parts.iter().enumerate() {
        out.push_str(if i == 0 { "\n" } else { ",\n" });
        out.push_str(&indent(level.saturating_add(1)));
        write(part, out);
    }
    out.push('\n');
    out.push_str(&indent(level));
    out.push(close);
}

fn on_one_line(value: &Value<'_>) -> String {
    let joined = |parts: Vec<String>| parts.join(", ");
    match &value.kind {
        Kind::Null => "null".to_owned(),
        Kind::Bool(flag) => flag.to_string(),
        Kind::Number(text) => canonical_number(text),
        Kind::String(text) => quoted(text),
        Kind::Array(elements) => {
            format!("[{}]", joined(elements.iter().map(on_one_line).collect()))
        }
        Kind::Object(members) => {
            let member =
                |m: &super::Member<'_>| format!("{}: {}", quoted(&m.key), on_one_line(&m.value));
            format!("{{{}}}", joined(members.iter().map(member).collect()))
        }
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::new();
    write_string(text, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Rules, parse};

    #[test]
    fn what_is_long_takes_lines() {
        let long = "x".repeat(70);
        for (text, expected) in [
            (
                r#"{"b":[1.0,"\u0041"],"a":{}}"#.to_owned(),
                "{\"b\": [1, \"A\"], \"a\": {}}\n".to_owned(),
            ),
            (
                format!(r#"{{"b":["{long}"],"a":[]}}"#),
                format!("{{\n  \"b\": [\"{long}\"],\n  \"a\": []\n}}\n"),
            ),
            (
                format!(r#"["{long}{long}"]"#),
                format!("[\n  \"{long}{long}\"\n]\n"),
            ),
        ] {
            let value = parse(text.as_bytes(), Rules::MESSAGE).expect("JSON");
            assert_eq!(readable(&value), expected);
        }
    }
}
