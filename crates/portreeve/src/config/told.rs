//! What of the file may be repeated to a person, and in a log: never what may be a secret.
//!
//! A line is shown with everything masked that is not known to be harmless: keys and the values in
//! [`PLAIN`] are; a key that nobody knows may be a mistyped `token`, and a comment may hold one.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::excerpt::Excerpt;

/// The keys whose values are no secret, as the table of keys writes them.
///
// INVARIANT: what is not here is not shown, so a new key is a secret until somebody says otherwise.
pub(super) const PLAIN: &[&str] = &[
    "listen",
    "admin_listen",
    "data_dir",
    "public_url",
    "max_body",
    "allowed_hosts",
    "allowed_origins",
    "legacy.sse",
    "ledger.durability",
    "ledger.arguments",
    "ledger.retain_days",
    "ledger.retain_bytes",
    "ledger.segment_bytes",
    "ledger.anchor_file",
    "servers.NAME.new_tools",
    "servers.NAME.accept",
    "servers.NAME.private",
    "servers.NAME.timeout",
    "policies.NAME.file",
    "grants[].label",
    "grants[].servers.NAME",
    "grants[].identity",
    "grants[].expires",
];

/// Stands for what is not shown.
const MASK: char = '…';

/// Which values of a file that could be read stand where, and whether they may be shown.
#[derive(Debug, Default)]
pub(super) struct Told {
    values: Vec<(Range<usize>, bool)>,
}

impl Told {
    pub(super) fn of(root: &DeTable<'_>) -> Self {
        let mut told = Self::default();
        told.table(root, "");
        told.values.sort_by_key(|(span, _)| span.start);
        told
    }

    // The recursion is bounded by the TOML parser's own.
    fn table(&mut self, table: &DeTable<'_>, pattern: &str) {
        for (key, value) in table {
            let named = matches!(pattern, "servers" | "policies" | "grants[].servers");
            let key = if named {
                "NAME"
            } else {
                key.get_ref().as_ref()
            };
            let child = match pattern {
                "" => key.to_owned(),
                pattern => format!("{pattern}.{key}"),
            };
            self.value(value, &child);
        }
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, pattern: &str) {
        match value.get_ref() {
            DeValue::Table(table) => self.table(table, pattern),
            DeValue::Array(list) if pattern == "grants" => {
                for entry in list {
                    self.value(entry, "grants[]");
                }
            }
            DeValue::Array(list) => {
                for entry in list {
                    self.value(entry, pattern);
                }
            }
            scalar => {
                let plain = PLAIN.contains(&pattern) && scalar.as_str().is_none_or(is_harmless);
                self.values.push((value.span(), plain));
            }
        }
    }

    /// The line of the byte `at`, with what may not be shown masked.
    pub(super) fn excerpt(&self, text: &str, at: usize) -> Option<Excerpt> {
        let (start, line) = line_at(text, at)?;
        let mut shown = String::new();
        let mut column = None;
        for (offset, c) in line.char_indices() {
            let byte = start + offset;
            let value = self.values.iter().find(|(span, _)| span.contains(&byte));
            if value.is_none() && c == '#' {
                break;
            }
            let masked = value.is_some_and(|(_, plain)| !plain);
            if !(masked && shown.ends_with(MASK)) {
                shown.push(if masked { MASK } else { c });
            }
            if byte == at {
                column = Some(shown.chars().count());
            }
        }
        finish(&shown, column)
    }
}

/// The line of the byte `at` of a text that is not TOML, so that nobody knows for sure what is what.
pub(super) fn excerpt_of_broken(text: &str, at: usize) -> Option<Excerpt> {
    let (start, line) = line_at(text, at)?;
    let above = text.get(..start)?;
    if above.contains("'''") || above.contains("\"\"\"") {
        return None;
    }
    let code = line.split('#').next().unwrap_or_default().trim_end();
    let shown = if code.trim_start().starts_with('[') && code.chars().all(is_of_header) {
        code.to_owned()
    } else {
        let divider = code.find(['=', ':'])?;
        let (key, value) = (code.get(..divider)?, code.get(divider + 1..)?);
        if key.trim().is_empty() || !key.chars().all(is_of_key) {
            return None;
        }
        if is_plain_there(above, key.trim(), value) {
            code.to_owned()
        } else {
            format!("{}{} {MASK}", key, code.get(divider..=divider)?)
        }
    };
    let column = text.get(start..at)?.chars().count() + 1;
    finish(&shown, Some(column.min(shown.chars().count() + 1)))
}

/// Is `key` below these lines one whose value may be shown? Only where its section is beyond doubt.
fn is_plain_there(above: &str, key: &str, value: &str) -> bool {
    let mut section = String::new();
    for line in above.lines() {
        let line = line.trim();
        if line.starts_with('[') && line.ends_with(']') && !line.contains('=') {
            line.clone_into(&mut section);
        } else if line.matches('{').count() != line.matches('}').count()
            || line.matches('[').count() != line.matches(']').count()
        {
            return false;
        }
    }
    let pattern = match section.trim_matches(['[', ']']) {
        "" => key.to_owned(),
        "grants" => format!("grants[].{key}"),
        section => match section.split_once('.') {
            Some((group @ ("servers" | "policies"), name)) if !name.contains('.') => {
                format!("{group}.NAME.{key}")
            }
            _ => format!("{section}.{key}"),
        },
    };
    PLAIN.contains(&&*pattern) && is_harmless(value)
}

/// The line that holds the byte `at`, and the byte at which it begins.
fn line_at(text: &str, at: usize) -> Option<(usize, &str)> {
    let (before, behind) = text.split_at_checked(at)?;
    let start = before.rfind('\n').map_or(0, |i| i + 1);
    let end = behind.find('\n').map_or(text.len(), |i| at + i);
    Some((start, text.get(start..end)?.trim_end_matches('\r')))
}

/// A URL with a user part is a secret wherever it stands.
fn is_harmless(value: &str) -> bool {
    !(value.contains('@') && value.contains(['/', ':']))
}

fn is_of_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_-. \t".contains(c)
}

fn is_of_header(c: char) -> bool {
    is_of_key(c) || "[]".contains(c)
}

fn finish(shown: &str, column: Option<usize>) -> Option<Excerpt> {
    let shown = shown.trim_end();
    (!shown.is_empty()).then(|| Excerpt {
        line: shown.to_owned(),
        // The end of a line is a place, too.
        column: column.unwrap_or_else(|| shown.chars().count() + 1),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::keys::KEYS;
    use super::super::{ConfigError, Environment, Problem, parse};
    use super::*;

    fn problems(text: &str) -> Vec<Problem> {
        match parse(Path::new("/etc/p.toml"), text, &Environment::given([])) {
            Ok(config) => config.warnings,
            Err(ConfigError::Wrong(problems)) => problems,
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn what_is_plain_is_known() {
        for plain in PLAIN {
            let key = plain.strip_suffix(".NAME").unwrap_or(plain);
            assert!(KEYS.iter().any(|known| known.path == key), "{plain}");
        }
    }

    #[test]
    fn a_line_is_shown_with_what_may_be_secret_masked() {
        for (text, line, column) in [
            ("listen = 5 # why", "listen = 5", 10),
            ("lisen = \"127.0.0.1:1\"", "lisen = …", 1),
            (
                "[ledger]\n  arguments = \"al\" \n",
                "  arguments = \"al\"",
                15,
            ),
            (
                "[servers.a]\nheaders = { \"é\" = 1, B = \"b\" }",
                "headers = { \"é\" = …, B = … }",
                19,
            ),
            ("[[grants]]", "[[grants]]", 1),
            ("[servers.a]\nzebra = [1]", "zebra = […]", 1),
            // These are no TOML.
            ("listen = 127.0.0.1:8787", "listen = 127.0.0.1:8787", 15),
            ("[servers.a]\ntimeout = 30s", "timeout = 30s", 11),
            ("listen: \"127.0.0.1:1\"", "listen: \"127.0.0.1:1\"", 9),
            ("[servers.a]\nurl = x", "url = …", 7),
            ("[servers.a\n", "[servers.a", 11),
            ("[[grants]]\nlabel = a", "label = a", 9),
        ] {
            let first = problems(text).into_iter().next().expect(text);
            let excerpt = first.excerpt.as_ref();
            let expected = Excerpt {
                line: line.to_owned(),
                column,
            };
            assert_eq!(excerpt, Some(&expected), "{text}: {first}");
        }
    }

    /// One line for each place in which a secret may stand, with something wrong beside it.
    const SECRETIVE: &[&str] = &[
        "tokn = \"hush\"",
        "tokn = [\"hush\", 1]",
        "zebra = 1 # hush",
        "listen = 1 # hush",
        "store.url = \"postgres://u:hush@h\"",
        "public_url = \"https://u:hush@h/x\"",
        "allowed_origins = [\"https://u:hush@h/x\"]",
        "auth.jwt = { secret = \"hush\" }",
        "[[approvals.webhooks]]\nsecret = \"hush\"",
        "[servers.a]\nurl = \"https://u:hush@h\"",
        "[servers.a]\nurl = \"u:hush@h\"",
        "[servers.a]\nurl = \"https://h/?key=hush\"\nenv = {}",
        "[servers.a]\nurl = \"https://h\"\nheaders = { K = \"hush\", L = 1 }",
        "[servers.a]\nurl = \"https://h\"\nheaders = { K = \"hush\" }",
        "[servers.a]\nurl = \"https://h\"\n[servers.a.headers]\nlisten = \"hush\"",
        "[servers.a]\nurl = \"https://h\"\n[servers.a.headers]\nlisten = [\"hush\"]",
        "[servers.a]\ncommand = [\"x\", \"--password\", \"hush\", 1]",
        "[servers.a]\ncommand = [\n  \"hush\", 1 ]",
        "[servers.a]\ncommand = [\"x\"]\nenv = { timeout = \"hush\", X = 1 }",
        "[[grants]]\ntoken = \"hush\"",
        "[[grants]]\ntoken = \"\"\"\nhush\"\"\"",
        "[[grants]]\ntoken_sha256 = \"hush\"",
        "[[grants]]\nlabel = { token = \"hush\" }",
        "grants = \"hush\"",
        // These are no TOML.
        "token = hush",
        "token: hush",
        "token = \"hush",
        "token = \"hush\" oops",
        "tokn = \"hush\" oops",
        "hush",
        "listen = \"x\" oops # hush",
        "[[grants]]\ntoken = \"\"\"\nlisten = hush",
        "[servers.a.env]\nlisten = hush",
        "[servers.a]\nheaders = {\n  timeout = hush",
        "[servers.a]\ncommand = [\n  timeout = hush",
        "public_url = https://u:hush@h",
    ];

    #[test]
    fn a_secret_is_never_shown() {
        for text in SECRETIVE {
            let problems = problems(text);
            assert!(!problems.is_empty(), "{text}");
            for problem in problems {
                let told = format!("{problem}\n{}", problem.show());
                assert!(!told.contains("hush"), "{text}\n{told}");
            }
        }
    }
}
