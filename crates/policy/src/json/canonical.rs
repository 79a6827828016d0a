//! The one spelling of a value: equal values, equal text.
//!
//! Keys are sorted by their bytes, strings carry no escape that is not needed, and numbers are
//! exact decimals, so that two texts of the same arguments bind the same approval.

use super::reader::plain_length;
use super::value::{Kind, Member, Value};
use crate::decimal::canonical_number;

/// Writes `value` in its canonical form.
pub fn canonical(value: &Value<'_>) -> String {
    // No canonical text is much longer than the one that was read.
    let length = value.span.end.saturating_sub(value.span.start);
    let mut out = String::with_capacity(length as usize);
    write_value(value, &mut out);
    out
}

// The recursion is bounded by the depth the value was read with.
fn write_value(value: &Value<'_>, out: &mut String) {
    match &value.kind {
        Kind::Null => out.push_str("null"),
        Kind::Bool(true) => out.push_str("true"),
        Kind::Bool(false) => out.push_str("false"),
        Kind::Number(text) => out.push_str(&canonical_number(text)),
        Kind::String(text) => write_string(text, out),
        Kind::Array(elements) => {
            out.push('[');
            for (i, element) in elements.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_value(element, out);
            }
            out.push(']');
        }
        Kind::Object(members) => {
            if members.is_sorted_by_key(|member| member.key.as_bytes()) {
                write_members(members.iter(), out);
            } else {
                let mut sorted: Vec<_> = members.iter().collect();
                sorted.sort_unstable_by(|a, b| a.key.as_bytes().cmp(b.key.as_bytes()));
                write_members(sorted.into_iter(), out);
            }
        }
    }
}

fn write_members<'a>(members: impl Iterator<Item = &'a Member<'a>>, out: &mut String) {
    out.push('{');
    for (i, member) in members.enumerate() {
        if i > 0 {
            out.push(',');
        }
        write_string(&member.key, out);
        out.push(':');
        write_value(&member.value, out);
    }
    out.push('}');
}

pub(super) fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    loop {
        // What needs an escape is ASCII, and no byte of any other character is.
        let (plain, special) = rest.split_at(plain_length(rest.as_bytes()));
        out.push_str(plain);
        let mut after = special.chars();
        let Some(c) = after.next() else { break };
        escape(c, out);
        rest = after.as_str();
    }
    out.push('"');
}

fn escape(c: char, out: &mut String) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{8}' => out.push_str("\\b"),
        '\t' => out.push_str("\\t"),
        '\n' => out.push_str("\\n"),
        '\u{c}' => out.push_str("\\f"),
        '\r' => out.push_str("\\r"),
        c => {
            out.push_str("\\u00");
            for shift in [4, 0] {
                let nibble = (u32::from(c) >> shift) & 0xF;
                out.extend(char::from_digit(nibble, 16));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Rules, parse};

    #[test]
    fn equal_values_have_equal_text() {
        for (text, expected) in [
            (
                r#"{"b":1,"a":[true,false,null]}"#,
                r#"{"a":[true,false,null],"b":1}"#,
            ),
            (r#"{"é":1,"z":2,"\u007a0":3}"#, r#"{"z":2,"z0":3,"é":1}"#),
            (
                r#"{"\ud83d\ude00":1,"\uffff":2}"#,
                "{\"\u{ffff}\":2,\"😀\":1}",
            ),
            ("[1.0,1,10e-1,1E0]", "[1,1,1,1]"),
            ("[-0,0.0e9,0e99999999999999999999]", "[0,0,0]"),
            ("9007199254740993", "9007199254740993"),
            ("1e400", "1e400"),
            ("0.1", "0.1"),
            (
                "[1234567890123456789012345678901234567890123.50]",
                "[1234567890123456789012345678901234567890123.5]",
            ),
            ("1e99999999999999999999", "1e99999999999999999999"),
            (r#""\u0041\/\n\u000b\u007f""#, "\"A/\\n\\u000b\u{7f}\""),
            (r#"" \" \\ ""#, r#"" \" \\ ""#),
        ] {
            let value = parse(text.as_bytes(), Rules::MESSAGE).expect("JSON");
            assert_eq!(canonical(&value), expected, "{text}");
        }
    }
}
