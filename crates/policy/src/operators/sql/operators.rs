//! Operators: which there are, and where one ends.

use super::Doubt;
use super::dialect::Dialects;

const EVERYWHERE: [&str; 18] = [
    "!=", "%", "&", "*", "+", "-", "->", "->>", "/", "<", "<<", "<=", "<>", "=", ">", ">=", ">>",
    "|",
];
const AND_THESE_TOO: [&str; 2] = ["||", "~"];
const POSTGRES: [&str; 43] = [
    "!!", "!~", "!~*", "!~~", "!~~*", "#", "#-", "#>", "#>>", "&&", "&<", "&>", "-|-", ":", "::",
    "<->", "<#>", "<=>", "<<=", "<<|", "<@", "=>", ">>=", "?", "?&", "?|", "@", "@>", "@?", "@@",
    "@@@", "^", "^@", "|/", "||/", "|>>", "~*", "~=", "~~", "~~*", "<^", ">^", "&<|",
];
const MYSQL: [&str; 4] = ["!", "&&", "<=>", "^"];
const SQLITE: [&str; 1] = ["=="];

/// Operators that stand before their operand only.
pub(super) const PREFIX: [&str; 8] = ["+", "-", "~", "!", "!!", "@", "|/", "||/"];

/// Symbols that do not stand between two operands.
pub(super) const NOT_INFIX: [&str; 13] = [
    "(", ")", ",", ";", ".", "[", "]", ":", "::", "=>", "!", "!!", "|/",
];

pub(super) const fn is_part(byte: u8) -> bool {
    matches!(
        byte,
        b'+' | b'-'
            | b'*'
            | b'/'
            | b'<'
            | b'>'
            | b'='
            | b'~'
            | b'!'
            | b'@'
            | b'#'
            | b'%'
            | b'^'
            | b'&'
            | b'|'
            | b'?'
            | b':'
    )
}

/// How long the operator at the front is by PostgreSQL's rules, the strictest: a run of operator
/// characters up to a comment, which ends in `+` or `-` only if it has an unusual character.
pub(super) fn length(text: &str, dialects: Dialects) -> usize {
    if text.starts_with(':') {
        return if text.starts_with("::") { 2 } else { 1 };
    }
    let in_mysql = dialects.within(Dialects::MYSQL);
    let in_postgres = dialects.has(Dialects::POSTGRES);
    let part = |b: u8| {
        is_part(b) && b != b':' && (in_postgres || !b"@?".contains(&b)) && !(in_mysql && b == b'#')
    };
    let run = text.bytes().take_while(|b| part(*b)).count();
    let run = text.get(..run).unwrap_or_default();
    let comment = [run.find("--"), run.find("/*")].into_iter().flatten().min();
    let run = comment.and_then(|at| run.get(..at)).unwrap_or(run);
    let unusual = run.contains(|c| "~!@#%^&|?".contains(c));
    let mut len = run.len();
    if !unusual || !in_postgres {
        while len > 1 && run.get(..len).is_some_and(|r| r.ends_with(['+', '-'])) {
            len = len.saturating_sub(1);
        }
    }
    len.max(1)
}

pub(super) fn find(text: &str, dialects: Dialects) -> Result<&'static str, Doubt> {
    let own: &[&'static str] = match dialects {
        Dialects::POSTGRES => &POSTGRES,
        Dialects::MYSQL => &MYSQL,
        Dialects::SQLITE => &SQLITE,
        _ => &[],
    };
    let known = EVERYWHERE.iter().chain(&AND_THESE_TOO).chain(own);
    let mut found = known.filter(|o| **o == text);
    found
        .next()
        .copied()
        .ok_or(Doubt("has an operator that not every dialect knows"))
}
