//! The operators on hostile values: an answer for every text, always the same one, and the same or
//! none for every other way to write it.
//!
//! The input is a byte that picks an operator, a byte that picks its value, and a text.

mod numbers;
mod patterns;

use portreeve_policy::json::{Rules, parse};
use portreeve_policy::operators::Special;

/// Longer texts are cut.
const LONGEST: usize = 4 * 1_024;

const HOSTS: [&[&str]; 3] = [
    &["example.com"],
    &["*.example.com", "127.0.0.1", "[::1]"],
    &["example.org:8443", "münchen.example", "10.0.0.1"],
];
const FOLDERS: [&[&str]; 3] = [&["/srv/data"], &["/"], &["/tmp/a b", "/home/u"]];
const COMMANDS: [&[&str]; 3] = [
    &["git log **"],
    &["ls *", "git status"],
    &["npm test", "echo **"],
];
const KINDS: [&[&str]; 4] = [
    &["select"],
    &["insert", "update"],
    &["select", "call"],
    &["explain", "set"],
];
const DIALECTS: [&str; 3] = ["postgresql", "sqlite", "mysql"];

pub fn check(input: &[u8]) {
    let (Some(operator), Some(which)) = (input.first(), input.get(1)) else {
        return;
    };
    let which = usize::from(*which);
    let text = text(input.get(2..).unwrap_or_default());
    match operator % 7 {
        0 => host(which, &text),
        1 => path(which, &text),
        2 | 3 => sql(which, &text),
        4 => command(which, &text),
        5 => patterns::check(&text),
        _ => numbers::check(&text),
    }
}

fn text(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    while text.len() > LONGEST {
        text.pop();
    }
    text
}

fn list(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    format!("[{}]", names.join(","))
}

fn special(operator: &str, value: &str) -> Special {
    let value = parse(value.as_bytes(), Rules::DOCUMENT).expect("JSON");
    let special = Special::compile(operator, &value).expect("an operator");
    special.unwrap_or_else(|why| panic!("{operator} {why}"))
}

fn statements(kinds: &[&str], dialect: Option<&str>) -> Special {
    let dialect = dialect.map_or(String::new(), |d| format!(r#","dialect":"{d}""#));
    special(
        "sql_only",
        &format!(r#"{{"statements":{}{dialect}}}"#, list(kinds)),
    )
}

/// Another way to write the same: the same answer, or none.
fn same_or_none(special: &Special, text: &str, other: &str) {
    let (one, two) = (special.holds(text), special.holds(other));
    assert!(
        two.is_none() || two == one,
        "{special}\n{text:?} {one:?}\n{other:?} {two:?}"
    );
}

fn same(special: &Special, text: &str, other: &str) {
    let (one, two) = (special.holds(text), special.holds(other));
    assert_eq!(one, two, "{special}\n{text:?}\n{other:?}");
}

/// What is listed besides never turns yes into anything else.
fn more_allows_more(operator: &str, names: &[&str], others: &[&str], text: &str) {
    let few = special(operator, &list(names)).holds(text);
    let many = [names, others].concat();
    let many = special(operator, &list(&many)).holds(text);
    assert!(
        few != Some(true) || many == few,
        "{operator} {names:?} {text:?}"
    );
    assert!(
        few.is_none() || many.is_some(),
        "{operator} {names:?} {text:?}"
    );
}

fn host(which: usize, text: &str) {
    let names = HOSTS[which % HOSTS.len()];
    let special = special("host_in", &list(names));
    same(&special, text, text);
    for others in HOSTS {
        more_allows_more("host_in", names, others, text);
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        assert_ne!(special.holds(text), Some(true), "not absolute: {text:?}");
        return;
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let upper = authority.to_ascii_uppercase();
    same(&special, text, &format!("{scheme}://{upper}{rest}"));
    let upper = scheme.to_ascii_uppercase();
    same(&special, text, &format!("{upper}://{authority}{rest}"));
    if !authority.is_empty() && !authority.contains([':', '[', ']']) && !authority.ends_with('.') {
        same_or_none(&special, text, &format!("{scheme}://{authority}.{rest}"));
    }
    for user in ["u@", "u:p@", "example.com@"] {
        let other = format!("{scheme}://{user}{authority}{rest}");
        assert_eq!(special.holds(&other), None, "a user: {other:?}");
    }
    for odd in ["\\", " ", "\t", "\n", "\0", "@"] {
        let other = format!("{scheme}://{authority}{odd}{rest}");
        assert_eq!(special.holds(&other), None, "{other:?}");
    }
}

fn path(which: usize, text: &str) {
    let folders = FOLDERS[which % FOLDERS.len()];
    let special = special("path_within", &list(folders));
    for others in FOLDERS {
        more_allows_more("path_within", folders, others, text);
    }
    if text.is_empty() {
        return;
    }
    for more in ["/./", "/.", "//", "/"] {
        same(&special, text, &format!("{text}{more}"));
    }
    if text.starts_with('/') {
        same(&special, text, &format!("/.{text}"));
        // Above the root is the root.
        same_or_none(&special, text, &format!("/..{text}"));
    }
    // A folder and out of it again is where it was; only what may be any folder is in doubt.
    same_or_none(&special, text, &format!("{text}/x/.."));
    // Further in is never further out.
    if special.holds(text) == Some(true) {
        assert_eq!(special.holds(&format!("{text}/deeper")), Some(true));
    }
    for odd in ["~", "%2e", "\\", "\0"] {
        assert_eq!(special.holds(&format!("{text}/{odd}")), None);
    }
}

fn sql(which: usize, text: &str) {
    let kinds = KINDS[which % KINDS.len()];
    let unknown = statements(kinds, None);
    let dialects = DIALECTS.map(|dialect| statements(kinds, Some(dialect)));
    let told = dialects.each_ref().map(|special| special.holds(text));
    if let Some(answer) = unknown.holds(text) {
        assert_eq!(told, [Some(answer); 3], "alike in every dialect: {text:?}");
    }
    for (special, dialect) in dialects
        .iter()
        .chain([&unknown])
        .zip(DIALECTS.map(Some).into_iter().chain([None]))
    {
        let before = special.holds(text);
        for others in KINDS {
            let more = statements(&[kinds, others].concat(), dialect).holds(text);
            assert!(before != Some(true) || more == before, "{special} {text:?}");
        }
        for (head, tail) in [
            (" ", ""),
            ("\n\t", "\n"),
            ("/* c */", ""),
            ("-- c\n", " "),
            ("", "\n"),
        ] {
            same_or_none(special, text, &format!("{head}{text}{tail}"));
        }
        // The first blank is between two words, if nothing before it quotes or comments.
        if let Some((first, rest)) = text.split_once(' ')
            && first
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "(*,_".contains(c))
        {
            for blank in ["\n", "  ", " /* c */ ", " -- c\n ", "\t"] {
                same_or_none(special, text, &format!("{first}{blank}{rest}"));
            }
        }
        for second in [
            "; drop table t",
            ";delete from t",
            " ; select f(1)",
            ";",
            "; truncate t --",
        ] {
            let after = special.holds(&format!("{text}{second}"));
            let less = after != Some(true) || before == Some(true) || text_is_blank(text, before);
            assert!(less, "{special} {text:?} and {second:?}");
        }
    }
}

/// Nothing, or nothing but comments, before a statement is as good as a statement of its own.
fn text_is_blank(text: &str, before: Option<bool>) -> bool {
    let mut code = text.to_owned();
    while let Some((head, rest)) = code.split_once("/*") {
        let rest = rest.split_once("*/").map_or("", |(_, rest)| rest);
        code = format!("{head} {rest}");
    }
    let mut code = code
        .lines()
        .map(|line| line.split("--").next().unwrap_or_default());
    before == Some(false) && !code.any(|line| line.contains(|c: char| c.is_ascii_alphanumeric()))
}

fn command(which: usize, text: &str) {
    let patterns = COMMANDS[which % COMMANDS.len()];
    let special = special("command_in", &list(patterns));
    for others in COMMANDS {
        more_allows_more("command_in", patterns, others, text);
    }
    // After a backslash a blank is a letter.
    let is_open = text.ends_with('\\');
    for (head, tail) in [(" ", ""), ("", " "), ("\t ", "")] {
        if is_open && !tail.is_empty() {
            continue;
        }
        same_or_none(&special, text, &format!("{head}{text}{tail}"));
    }
    if special.holds(text).is_some() {
        for more in [
            "; rm -rf /",
            " && id",
            "|sh",
            "\nid",
            " $(id)",
            "`id`",
            " > /etc/passwd",
            " & id",
            " ${IFS}id",
            " *",
            " $HOME",
            " <(id)",
        ] {
            let other = format!("{text}{more}");
            assert_eq!(special.holds(&other), None, "{other:?}");
        }
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || " -_/".contains(c);
    if text.chars().all(plain) {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        for quote in ["'", "\""] {
            let quoted: Vec<String> = words.iter().map(|w| format!("{quote}{w}{quote}")).collect();
            same_or_none(&special, text, &quoted.join(" "));
        }
        let apart = |word: &&str| word.chars().map(|c| format!("'{c}'")).collect::<Vec<_>>();
        let split: Vec<String> = words.iter().map(|word| apart(word).concat()).collect();
        same_or_none(&special, text, &split.join(" "));
    }
}
