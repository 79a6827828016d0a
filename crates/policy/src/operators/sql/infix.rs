//! What stands between two operands: operators, and the words that compare.

use super::Doubt;
use super::cursor::{Cursor, NOT_UNDERSTOOD, Parse};
use super::dialect::Dialects;
use super::lexer::{Kind, Token};
use super::operators::NOT_INFIX;

const POSTGRES: Dialects = Dialects::POSTGRES;
const SQLITE: Dialects = Dialects::SQLITE;
const MYSQL: Dialects = Dialects::MYSQL;

impl Cursor<'_, '_> {
    /// Takes what stands between two operands, if an operator follows.
    pub(super) fn infix(&mut self) -> Result<bool, Doubt> {
        let Some(token) = self.peek() else {
            return Ok(false);
        };
        if token.kind == Kind::Symbol {
            let between = !NOT_INFIX.contains(&token.word);
            if between {
                if token.word == "~" {
                    self.only_in(POSTGRES)?;
                }
                self.next();
                self.quantifier()?;
            }
            return Ok(between);
        }
        if token.kind != Kind::Reserved {
            return Ok(false);
        }
        self.take_infix_word(token)
    }

    fn take_infix_word(&mut self, token: Token<'_>) -> Result<bool, Doubt> {
        match token.word {
            "and" | "or" | "escape" => {}
            "div" | "mod" | "xor" | "rlike" => self.only_in(MYSQL)?,
            "overlaps" => self.only_in(POSTGRES)?,
            "is" => {
                self.next();
                self.take("not");
                if self.take_all(&["distinct", "from"]) {
                    self.only_in(POSTGRES | SQLITE)?;
                } else {
                    self.only_in(SQLITE)?;
                }
                return Ok(true);
            }
            "not" => {
                self.next();
                let negated = self.peek().ok_or(NOT_UNDERSTOOD)?;
                return if self.take_comparison(negated)? {
                    Ok(true)
                } else {
                    Err(NOT_UNDERSTOOD)
                };
            }
            _ => return self.take_comparison(token),
        }
        self.next();
        Ok(true)
    }

    /// The words that `not` may stand before.
    fn take_comparison(&mut self, token: Token<'_>) -> Result<bool, Doubt> {
        match token.word {
            "between" => {
                self.between()?;
                return Ok(true);
            }
            "in" => {
                self.next();
                if !self.at("(") {
                    self.only_in(SQLITE)?;
                }
                return Ok(true);
            }
            "like" => {}
            "ilike" => self.only_in(POSTGRES)?,
            // In SQLite, `match` and `regexp` call what the application gave them for it.
            "glob" | "match" => self.only_in(SQLITE)?,
            "regexp" => self.only_in(MYSQL | SQLITE)?,
            "rlike" => self.only_in(MYSQL)?,
            "similar" => {
                self.only_in(POSTGRES)?;
                self.next();
                self.expect("to")?;
                return Ok(true);
            }
            _ => return Ok(false),
        }
        self.next();
        self.quantifier()?;
        Ok(true)
    }

    /// Up to the `and`, which joins no conditions here.
    fn between(&mut self) -> Parse {
        self.expect("between")?;
        if self.take("symmetric") {
            self.only_in(POSTGRES)?;
        }
        loop {
            self.prefixes()?;
            self.operand()?;
            self.postfixes()?;
            if self.take("and") {
                return Ok(());
            }
            if !self.at_kind(Kind::Symbol) || !self.infix()? {
                return Err(NOT_UNDERSTOOD);
            }
        }
    }

    /// `= any (…)`
    fn quantifier(&mut self) -> Parse {
        if self.at_any(&["any", "all", "some"]) {
            self.only_in(POSTGRES | MYSQL)?;
            self.next();
            if !self.at("(") {
                return Err(NOT_UNDERSTOOD);
            }
        }
        Ok(())
    }
}
