//! What must hold for every text, whatever it is.

#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

use portreeve_policy::json::{Rules, parse};
use portreeve_policy::operators::host::{self, Host};
use portreeve_policy::operators::{Special, command, path};
use proptest::prelude::*;

fn special(operator: &str, spec: &str) -> Special {
    let value = parse(spec.as_bytes(), Rules::DOCUMENT).expect("JSON");
    let special = Special::compile(operator, &value).expect("an operator");
    special.expect("a spec")
}

fn sql(kinds: &str, dialect: Option<&str>) -> Special {
    let dialect = dialect.map_or(String::new(), |d| format!(r#", "dialect": "{d}""#));
    special(
        "sql_only",
        &format!(r#"{{"statements": [{kinds}]{dialect}}}"#),
    )
}

/// Texts made of what the readers look at.
fn text(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => prop::sample::select(pieces).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => "[a-z0-9]{1,3}",
    ];
    prop::collection::vec(piece, 0..24).prop_map(|p| p.concat())
}

const URL: &[&str] = &[
    "http://",
    "https://",
    "example.com",
    "a",
    ".",
    ":",
    "/",
    "?",
    "#",
    "@",
    "[",
    "]",
    "::1",
    "127.0.0.1",
    "0x7f",
    "1",
    "xn--",
    "%2e",
    "\\",
    " ",
    "\t",
    "é",
    "。",
    "８",
];
const PATH: &[&str] = &[
    "/", "..", ".", "srv", "data", "~", "%", "\\", "$", "．", "a", " ", "\n",
];
const COMMAND: &[&str] = &[
    "git", "log", " ", "\t", "'", "\"", "\\", "$", "`", ";", "|", "*", "~", "=", "#", "-x", "a",
    "é",
];
const SQL: &[&str] = &[
    "select ",
    "from ",
    "a ",
    "b",
    "1",
    "'x'",
    "'",
    "\"",
    "`",
    "\\",
    "(",
    ")",
    ",",
    ";",
    "--",
    "\n",
    "/*",
    "*/",
    "$$",
    "where ",
    " and ",
    "with x as (",
    "delete from t ",
    "insert into t ",
    "values ",
    "update t set a = 1",
    "into ",
    "for update",
    "f(",
    "upper(",
    "*",
    "=",
    "-",
    "::",
    "[",
    "]",
    "case when ",
    "then ",
    "end ",
    "over ",
    "union ",
    "order by ",
    "limit ",
    "between ",
    "in ",
    "not ",
    "is null ",
    "explain ",
    "copy ",
    "é",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// No text stops the gate, and the same text always gets the same answer.
    #[test]
    fn any_text_gets_an_answer(text in any::<String>()) {
        for special in [
            special("host_in", r#"["example.com"]"#),
            special("path_within", r#"["/srv"]"#),
            special("command_in", r#"["git **"]"#),
            sql(r#""select""#, None),
        ] {
            prop_assert_eq!(special.holds(&text), special.clone().holds(&text));
        }
    }

    /// A URL we judge, written plainly from what we saw in it, is judged the same.
    #[test]
    fn the_judged_host_is_stable(text in text(URL)) {
        let Ok(target) = host::read(&text) else { return Ok(()) };
        let plain = match target.host {
            Host::Address(address) if address.is_ipv6() => format!("[{address}]"),
            Host::Address(address) => address.to_string(),
            Host::Name(name) => name.to_owned(),
        };
        let plain = format!("http://{plain}:{}/", target.port);
        prop_assert_eq!(host::read(&plain), Ok(target));
    }

    /// Whatever a host list says of a URL, it says of it with other paths.
    #[test]
    fn only_the_host_decides(text in text(URL), path in "[a-z./]{0,8}") {
        let list = special("host_in", r#"["example.com", "*.a", "127.0.0.1"]"#);
        if text.contains(['?', '#']) || host::read(&text).is_err() {
            return Ok(());
        }
        prop_assert_eq!(list.holds(&text), list.holds(&format!("{text}/{path}")));
    }

    /// A path we judge has no `.`, `..` or empty part left, and its normal form is itself.
    #[test]
    fn normal_paths_are_normal(text in text(PATH)) {
        let Ok(parts) = path::normalise(&text) else { return Ok(()) };
        prop_assert!(parts.iter().all(|p| !["", ".", ".."].contains(p)));
        let normal = format!("/{}", parts.join("/"));
        prop_assert_eq!(path::normalise(&normal), Ok(parts));
    }

    /// A path within a directory is one whose normal form begins with it.
    #[test]
    fn within_means_below(text in text(PATH)) {
        let within = special("path_within", r#"["/srv/data"]"#);
        if let Ok(parts) = path::normalise(&text) {
            let normal = format!("/{}/", parts.join("/"));
            prop_assert_eq!(within.holds(&text), Some(normal.starts_with("/srv/data/")));
        }
    }

    /// The words of a command, quoted anew, are the same words.
    #[test]
    fn quoted_words_are_the_words(text in text(COMMAND)) {
        let Ok(words) = command::words(&text) else { return Ok(()) };
        let quote = |word: &str| format!("'{}'", word.replace('\'', r"'\''"));
        let line: Vec<String> = words.iter().map(|w| quote(w)).collect();
        let line = line.join(" ");
        prop_assert_eq!(command::words(&line), Ok(words));
    }

    /// What all dialects read alike, each of them reads so.
    #[test]
    fn a_dialect_says_what_all_say(text in text(SQL)) {
        let Some(verdict) = sql(r#""select""#, None).holds(&text) else { return Ok(()) };
        for dialect in ["postgresql", "sqlite", "mysql"] {
            let own = sql(r#""select""#, Some(dialect)).holds(&text);
            prop_assert_eq!(own, Some(verdict), "{} reads {:?}", dialect, text);
        }
    }

    /// Listing more kinds allows more, and listing them all allows what is understood.
    #[test]
    fn more_kinds_allow_more(text in text(SQL), mysql in any::<bool>()) {
        let dialect = if mysql { "mysql" } else { "postgresql" };
        let few = sql(r#""select""#, Some(dialect)).holds(&text);
        let more = sql(r#""select", "delete", "call""#, Some(dialect)).holds(&text);
        prop_assert_eq!(few.is_none(), more.is_none());
        prop_assert!(few != Some(true) || more == Some(true));
    }

    /// Two texts of statements that hold, hold together; one that does not spoils both.
    #[test]
    fn statements_are_judged_one_by_one(one in text(SQL), other in text(SQL)) {
        let select = sql(r#""select""#, Some("postgresql"));
        let (Some(a), Some(b)) = (select.holds(&one), select.holds(&other)) else { return Ok(()) };
        prop_assume!(!one.trim().is_empty() && !other.trim().is_empty());
        // A line comment at the end of the first would swallow the semicolon.
        let both = select.holds(&format!("{one}\n;{other}"));
        prop_assert!(both != Some(true) || (a || b), "{both:?} of {a} and {b}");
        if a && b {
            prop_assert_eq!(both, Some(true));
        }
    }
}
