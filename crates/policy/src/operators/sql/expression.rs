//! Expressions: operands with what stands between them, and every function they call.
//!
//! Precedence changes no effect, so an expression is read as a chain of operands and operators.

use super::Doubt;
use super::cursor::{Cursor, NOT_UNDERSTOOD, Parse};
use super::dialect::Dialects;
use super::lexer::{Kind, Token};
use super::operators::PREFIX;

const POSTGRES: Dialects = Dialects::POSTGRES;
const SQLITE: Dialects = Dialects::SQLITE;
const MYSQL: Dialects = Dialects::MYSQL;

impl Cursor<'_, '_> {
    pub(super) fn expression(&mut self) -> Parse {
        self.nested(Self::chain)
    }

    pub(super) fn expressions(&mut self) -> Parse {
        self.comma_separated(Self::expression)
    }

    fn chain(&mut self) -> Parse {
        loop {
            self.prefixes()?;
            self.operand()?;
            self.postfixes()?;
            if !self.infix()? {
                return Ok(());
            }
        }
    }

    pub(super) fn prefixes(&mut self) -> Parse {
        loop {
            if self.peek().is_none_or(|t| t.word.is_empty()) {
                return Ok(());
            }
            if self.at("binary") && self.is_only(MYSQL) && !self.at_ahead(1, "(") {
                self.next();
            } else if !self.take("not") && !self.take_any(&PREFIX) {
                return Ok(());
            }
        }
    }

    pub(super) fn operand(&mut self) -> Parse {
        let token = self.peek().ok_or(NOT_UNDERSTOOD)?;
        match (token.kind, token.word) {
            (Kind::Number | Kind::Parameter, _) => self.take_one(),
            (Kind::Text, _) => {
                self.next();
                if self.at_kind(Kind::Text) {
                    return Err(Doubt("has two strings in a row, which some join"));
                }
                Ok(())
            }
            (Kind::Symbol, "*") => self.star(),
            (Kind::Symbol, "(") => self.parenthesised(),
            (Kind::Reserved, _) => self.reserved_operand(token),
            (Kind::Bare | Kind::Quoted, _) => self.named_operand(token),
            (Kind::Symbol, _) => Err(NOT_UNDERSTOOD),
        }
    }

    fn take_one(&mut self) -> Parse {
        self.next().map(drop).ok_or(NOT_UNDERSTOOD)
    }

    /// `*` is all columns where a list begins or goes on, and ends its expression.
    fn star(&mut self) -> Parse {
        let starts = ["select", "distinct", "all", "returning", ",", "."];
        if self.before().is_none_or(|t| !t.is_any(&starts)) {
            return Err(NOT_UNDERSTOOD);
        }
        self.next();
        let ends = [",", ")", ";", "from", "filter", "where", "into"];
        if self.peek().is_none_or(|t| t.is_any(&ends)) {
            Ok(())
        } else {
            Err(NOT_UNDERSTOOD)
        }
    }

    fn reserved_operand(&mut self, token: Token<'_>) -> Parse {
        let called = self.at_ahead(1, "(");
        match token.word {
            "null" | "default" => self.take_one(),
            "case" => self.case(),
            "exists" => {
                self.next();
                self.subquery()
            }
            "cast" => {
                self.next();
                self.expect("(")?;
                self.expression()?;
                self.expect("as")?;
                self.type_name()?;
                self.expect(")")
            }
            "interval" => self.interval(),
            // Functions that are called like reserved words.
            "left" | "right" | "mod" | "glob" | "like" | "values" if called => {
                self.only_in(match token.word {
                    "left" | "right" => POSTGRES | MYSQL,
                    "glob" | "like" => SQLITE,
                    "values" => MYSQL,
                    _ => Dialects::ALL,
                })?;
                self.next();
                self.call(None, token)
            }
            _ => Err(NOT_UNDERSTOOD),
        }
    }

    fn case(&mut self) -> Parse {
        self.expect("case")?;
        if !self.at("when") {
            self.expression()?;
        }
        loop {
            self.expect("when")?;
            self.expression()?;
            self.expect("then")?;
            self.expression()?;
            if !self.at("when") {
                break;
            }
        }
        if self.take("else") {
            self.expression()?;
        }
        self.expect("end")
    }

    fn interval(&mut self) -> Parse {
        self.expect("interval")?;
        let units = ["year", "month", "day", "hour", "minute", "second"];
        if self.is_only(MYSQL) {
            self.expression()?;
            return self.name().map(drop);
        }
        self.only_in(POSTGRES)?;
        self.expect_kind(Kind::Text)?;
        if self.take_any(&units) && self.take("to") && !self.take_any(&units) {
            return Err(NOT_UNDERSTOOD);
        }
        Ok(())
    }

    /// A column, a call, a typed literal or an array.
    fn named_operand(&mut self, first: Token<'_>) -> Parse {
        self.next();
        if first.word == "array" && (self.at("[") || self.at("(")) {
            self.only_in(POSTGRES)?;
            return if self.at("(") {
                self.subquery()
            } else {
                self.subscript()
            };
        }
        if self.at_kind(Kind::Text) {
            return self.typed_literal(first);
        }
        let mut schema = None;
        let mut name = first;
        while self.take(".") {
            if self.at("*") {
                return self.star();
            }
            // Two dots make a schema that no list names.
            schema = Some(if schema.is_none() {
                name
            } else {
                Token { text: "", ..name }
            });
            name = self.name()?;
        }
        if self.at("(") {
            return self.call(schema, name);
        }
        Ok(())
    }

    fn typed_literal(&mut self, type_name: Token<'_>) -> Parse {
        let anywhere = ["date", "time", "timestamp"];
        let postgres = [
            "bool",
            "bytea",
            "cidr",
            "inet",
            "json",
            "jsonb",
            "numeric",
            "point",
            "text",
            "timestamptz",
            "timetz",
            "uuid",
        ];
        if type_name.is_any(&anywhere) {
            self.only_in(POSTGRES | MYSQL)?;
        } else if type_name.is_any(&postgres) {
            self.only_in(POSTGRES)?;
        } else {
            return Err(NOT_UNDERSTOOD);
        }
        self.take_one()
    }

    /// A row, a group or a query. `((select 1) union select 2)` is a query too.
    pub(super) fn parenthesised(&mut self) -> Parse {
        if self.query_follows(1) {
            return self.subquery();
        }
        self.expect("(")?;
        let query_first = self.at("(") && self.query_inside();
        self.expressions()?;
        if query_first && self.before().is_some_and(|t| t.word == ")") {
            self.nested(Self::query_tail)?;
        }
        self.expect(")")
    }

    /// After some opening parentheses, does a query begin?
    fn query_inside(&self) -> bool {
        let opening = (0..64).take_while(|by| self.at_ahead(*by, "(")).count();
        self.query_follows(opening)
    }

    pub(super) fn postfixes(&mut self) -> Parse {
        loop {
            if self.peek().is_none_or(|t| t.word.is_empty()) {
                return Ok(());
            }
            if self.at("::") {
                self.only_in(POSTGRES)?;
                self.next();
                self.type_name()?;
            } else if self.at("[") {
                self.subscript()?;
            } else if self.at(".") && self.before().is_some_and(|t| t.is_any(&[")", "]"])) {
                self.only_in(POSTGRES)?;
                self.next();
                if !self.take("*") {
                    self.name()?;
                }
                // `(x).f(y)` is no call to PostgreSQL, and to us nothing known.
                if self.at("(") {
                    return Err(NOT_UNDERSTOOD);
                }
            } else if self.take("collate") {
                self.qualified_name()?;
            } else if self.take_any(&["isnull", "notnull"]) {
                self.only_in(POSTGRES | SQLITE)?;
            } else if self.take_all(&["not", "null"]) {
                self.only_in(SQLITE)?;
            } else if self.take_all(&["at", "time", "zone"]) {
                self.only_in(POSTGRES)?;
                self.operand()?;
            } else if !self.is_postfix()? {
                return Ok(());
            }
        }
    }

    /// `is null` and its like; `is distinct from` is an operator.
    fn is_postfix(&mut self) -> Result<bool, Doubt> {
        if !self.at("is") {
            return Ok(false);
        }
        let by = if self.at_ahead(1, "not") { 2 } else { 1 };
        let truth = ["null", "true", "false", "unknown"];
        let word = self.ahead(by);
        if !word.is_some_and(|t| t.is_any(&truth)) {
            return Ok(false);
        }
        if word.is_some_and(|t| t.word == "unknown") {
            self.only_in(POSTGRES | MYSQL)?;
        }
        for _ in 0..=by {
            self.next();
        }
        Ok(true)
    }

    /// `[1]`, `[1:2]`, `[a, b]`
    fn subscript(&mut self) -> Parse {
        self.only_in(POSTGRES)?;
        self.expect("[")?;
        loop {
            if self.at("[") {
                self.nested(Self::subscript)?;
            } else if !self.at_any(&[":", "]"]) {
                self.expression()?;
            }
            if !self.take_any(&[",", ":"]) {
                return self.expect("]");
            }
        }
    }
}
