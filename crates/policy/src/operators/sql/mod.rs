//! `sql_only`: does a text of SQL do nothing but what is listed?
//!
//! A statement counts as what PostgreSQL, SQLite and MySQL would *do* with it, not as the word it
//! begins with. The reader knows a grammar of queries and changes, names for the rest, and says
//! doubt to everything else. Without a dialect it takes only what all three read alike.
//!
//! The kinds: `select` reads, also with `values`, `table` and `with`; `explain` shows a plan; `show`
//! shows settings and the catalogue, pragmas that only read included; `insert`, `update`, `delete`
//! change rows, wherever in the statement (`merge` and `replace` count as these); `truncate`,
//! `create`, `alter`, `drop`; `maintain` is vacuum, analyze, reindex, flush and the like; `lock`
//! also is `for update`; `transaction`; `set` changes settings; `grant` changes users and rights;
//! `call` is every function outside the list, procedures, prepared statements and code that is
//! brought in; `file` is the server's files, programs and other databases. A statement that does
//! several things needs all of its kinds listed.
//!
//! What the text does not show is not judged: views, triggers, operators, casts and rules may run
//! functions of their own. A database user that may only read remains the second lock.

mod call;
mod change;
mod cursor;
mod definition;
mod dialect;
mod effects;
mod expression;
mod functions;
mod infix;
mod lexer;
mod operators;
mod query;
mod quotes;
mod statement;
mod table;
mod words;

use std::fmt;

use cursor::Cursor;
use dialect::Dialects;
use effects::Effects;
use functions::Functions;

use super::{Doubt, Verdict, check_length, strings, write_list};
use crate::json::Value;
use crate::visible::shown;

/// What one condition allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    allowed: Effects,
    dialects: Dialects,
    functions: Functions,
}

/// The words for kinds of statements.
pub(crate) fn kinds() -> Vec<String> {
    let words = effects::KINDS.iter().map(|(word, _)| *word);
    words.map(str::to_owned).collect()
}

impl Spec {
    /// Reads `["select"]` or `{"statements": ["select"], "dialect": "sqlite", "functions": [..]}`.
    pub fn compile(value: &Value<'_>) -> Result<Self, String> {
        let mut spec = Self {
            allowed: Effects::default(),
            dialects: Dialects::ALL,
            functions: Functions::pure(),
        };
        let Some(members) = value.members() else {
            spec.allowed = allowed(value)?;
            return Ok(spec);
        };
        for member in members {
            match &*member.key {
                "statements" => spec.allowed = allowed(&member.value)?,
                "dialect" => {
                    let name = member.value.as_str();
                    let name = name.ok_or("has a `dialect` that is no string")?;
                    spec.dialects = Dialects::named(name)?;
                }
                "functions" => spec.functions = functions(&member.value)?,
                other => {
                    let other = shown(other);
                    return Err(format!(
                        "has the key {other}; valid are `statements`, `dialect` and `functions`"
                    ));
                }
            }
        }
        if spec.allowed == Effects::default() {
            return Err("has no `statements`; list kinds such as `select`".to_owned());
        }
        Ok(spec)
    }

    /// None: the text is in doubt, and refused wherever it stands.
    pub fn holds(&self, text: &str) -> Option<bool> {
        self.judge(text).ok()
    }

    /// A text without any statement does not hold.
    pub fn judge(&self, text: &str) -> Verdict {
        let each = self.read(text)?;
        let listed = each.iter().all(|effects| effects.within(self.allowed));
        Ok(listed && !each.is_empty())
    }

    /// The kinds of each statement in the text.
    pub fn kinds(&self, text: &str) -> Result<Vec<Vec<&'static str>>, Doubt> {
        let each = self.read(text)?;
        Ok(each.into_iter().map(|e| e.words().collect()).collect())
    }

    fn read(&self, text: &str) -> Result<Vec<Effects>, Doubt> {
        check_length(text)?;
        let tokens = lexer::tokens(text, self.dialects)?;
        tokens
            .split(|token| token.word == ";")
            .filter(|statement| !statement.is_empty())
            .map(|statement| Cursor::new(statement, self.dialects, &self.functions).judge())
            .collect()
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, self.allowed.words().map(str::to_owned))
    }
}

fn allowed(value: &Value<'_>) -> Result<Effects, String> {
    let words = strings(value, "statement kinds such as `select`")?;
    words.into_iter().try_fold(Effects::default(), |all, word| {
        Ok(all | Effects::named(word)?)
    })
}

fn functions(value: &Value<'_>) -> Result<Functions, String> {
    if value.elements().is_some_and(<[_]>::is_empty) {
        return Ok(Functions::of(&[]));
    }
    let names = strings(value, "function names in `functions`")?;
    let letter = |c: char| c.is_ascii_alphanumeric() || "_.$".contains(c);
    for name in &names {
        if *name != Functions::PURE_WORD && (name.is_empty() || !name.chars().all(letter)) {
            let name = shown(name);
            return Err(format!(
                "lists the function {name}; write a plain name, `schema.name`, or `@pure` for the built-in list"
            ));
        }
    }
    Ok(Functions::of(&names))
}
