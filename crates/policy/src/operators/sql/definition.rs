//! `create`, `alter`, `drop`, and the words after statements that have no grammar here.

use super::Doubt;
use super::cursor::{Cursor, NOT_UNDERSTOOD, Parse};
use super::dialect::Dialects;
use super::effects::Effects;
use super::lexer::{Kind, Token};
use super::words::{COLUMN_LISTS, COLUMN_TYPES};

const POSTGRES: Dialects = Dialects::POSTGRES;
const SQLITE: Dialects = Dialects::SQLITE;

/// What may stand among words that are not read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Words {
    Plain,
    /// After `as`, a query may stand, which is read.
    WithQuery,
}

impl Cursor<'_, '_> {
    /// Stands after the verb.
    pub(super) fn definition(&mut self, verb: &'static str) -> Parse {
        let effects = match verb {
            "create" => Effects::CREATE,
            "alter" => Effects::ALTER,
            _ => Effects::DROP,
        };
        self.note(effects);
        self.take_all(&["or", "replace"]);
        self.take_any(&["temp", "temporary", "unlogged", "materialized"]);
        let object = self.next().ok_or(NOT_UNDERSTOOD)?;
        match object.word {
            "table" | "view" => self.words(Words::WithQuery),
            "index" | "unique" | "database" | "schema" | "column" | "sequence" | "type"
            | "domain" => self.words(Words::Plain),
            "role" | "user" | "group" | "default" | "owned" => {
                self.only_in(POSTGRES | Dialects::MYSQL)?;
                self.note(Effects::GRANT);
                self.words(Words::Plain)
            }
            "system" => {
                self.only_in(POSTGRES)?;
                self.note(Effects::SET);
                self.words(Words::Plain)
            }
            // Their bodies are programs, or hold statements with semicolons of their own.
            "function" | "procedure" | "trigger" | "rule" | "event" if verb == "create" => {
                Err(Doubt("defines a program, which is not read"))
            }
            "virtual" => {
                self.only_in(SQLITE)?;
                self.note(Effects::CALL);
                self.words(Words::Plain)
            }
            // Extensions, servers, languages, operators, casts and the like bring code.
            _ => {
                self.note(Effects::CALL);
                self.words(Words::Plain)
            }
        }
    }

    /// Reads to the end of the statement: every call in it counts, a statement in it is a doubt.
    pub(super) fn words(&mut self, words: Words) -> Parse {
        let mut open: u32 = 0;
        while let Some(token) = self.peek() {
            match token.word {
                "(" => open = open.saturating_add(1),
                ")" => open = open.checked_sub(1).ok_or(NOT_UNDERSTOOD)?,
                "as" if words == Words::WithQuery && self.query_after_as() => {
                    self.next();
                    let effects = self.query_beyond_reading()?;
                    self.note(effects);
                    continue;
                }
                "select" | "merge" | "returning" => {
                    return Err(Doubt("has a statement within one that is not read"));
                }
                "insert" | "update" | "delete" if self.before().is_none_or(|t| t.word != "on") => {
                    return Err(Doubt("has a statement within one that is not read"));
                }
                _ => {}
            }
            if self.at_ahead(1, "(") && token.is_name() && !self.declares(token) {
                self.note_call(None, token);
            }
            self.next();
        }
        if open == 0 {
            Ok(())
        } else {
            Err(NOT_UNDERSTOOD)
        }
    }

    fn query_after_as(&self) -> bool {
        self.query_follows(1) || (self.at_ahead(1, "(") && self.query_follows(2))
    }

    /// Is the parenthesis after this name that of a column list or a type, and no call's?
    fn declares(&self, token: Token<'_>) -> bool {
        let lower = token.text.to_ascii_lowercase();
        let lower = lower.as_str();
        if token.kind == Kind::Bare
            && (COLUMN_TYPES.contains(&lower) || COLUMN_LISTS.contains(&lower))
        {
            return true;
        }
        let before_a_name = [
            "table",
            "exists",
            "into",
            "on",
            "index",
            "key",
            "constraint",
            "view",
            "column",
            "references",
        ];
        let mut by = 1;
        while self.behind(by).is_some_and(|t| t.word == ".") {
            by = by.saturating_add(2);
        }
        self.behind(by).is_some_and(|t| t.is_any(&before_a_name))
    }
}
