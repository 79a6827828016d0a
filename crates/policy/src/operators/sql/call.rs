//! Calls of functions, and the names of types.

use super::Doubt;
use super::cursor::{Cursor, NOT_UNDERSTOOD, Parse};
use super::dialect::Dialects;
use super::lexer::{Kind, Token};

const POSTGRES: Dialects = Dialects::POSTGRES;
const SQLITE: Dialects = Dialects::SQLITE;
const MYSQL: Dialects = Dialects::MYSQL;

impl Cursor<'_, '_> {
    /// Stands before the parenthesis after the function's name.
    pub(super) fn call(&mut self, schema: Option<Token<'_>>, name: Token<'_>) -> Parse {
        self.note_call(schema, name);
        if schema.is_some() {
            self.only_in(POSTGRES | MYSQL)?;
        }
        if self.take_all(&["(", "*", ")"]) {
            return self.call_suffixes();
        }
        self.expect("(")?;
        let own_grammar = ["extract", "substring", "trim", "overlay", "convert"];
        if !self.at(")") {
            if name.word == "position" {
                self.nested(Self::position)?;
            } else if name.is_any(&own_grammar) {
                self.nested(Self::worded_arguments)?;
            } else {
                self.nested(Self::arguments)?;
            }
        }
        self.expect(")")?;
        self.call_suffixes()
    }

    fn arguments(&mut self) -> Parse {
        if !self.take("distinct") {
            self.take("all");
        }
        self.comma_separated(Self::argument)?;
        if self.at("order") {
            self.only_in(POSTGRES | MYSQL)?;
            self.order_by()?;
        }
        if self.take("separator") {
            self.only_in(MYSQL)?;
            self.expect_kind(Kind::Text)?;
        }
        Ok(())
    }

    fn argument(&mut self) -> Parse {
        if self.take("variadic") {
            self.only_in(POSTGRES)?;
        }
        self.expression()?;
        if self.take("=>") {
            return self.expression();
        }
        Ok(())
    }

    /// `position(a in b)`, where `in` is no comparison.
    fn position(&mut self) -> Parse {
        self.operand()?;
        self.postfixes()?;
        self.expect("in")?;
        self.expression()
    }

    /// `extract(day from x)`, `trim(both ' ' from x)`, `substring(x from 1 for 2)`, …
    fn worded_arguments(&mut self) -> Parse {
        if self.take_any(&["leading", "trailing"]) || self.take("both") {
            self.only_in(POSTGRES | MYSQL)?;
            if self.take("from") {
                return self.expression();
            }
        }
        self.expression()?;
        loop {
            if self.take_any(&["from", "for", "placing", "using"]) {
                self.only_in(POSTGRES | MYSQL)?;
            } else if !self.take(",") {
                return Ok(());
            }
            self.expression()?;
        }
    }

    fn call_suffixes(&mut self) -> Parse {
        if self.take_all(&["within", "group", "("]) {
            self.only_in(POSTGRES)?;
            self.order_by()?;
            self.expect(")")?;
        }
        if self.take_all(&["filter", "(", "where"]) {
            self.only_in(POSTGRES | SQLITE)?;
            self.expression()?;
            self.expect(")")?;
        }
        if self.take("over") {
            if self.at("(") {
                return self.window();
            }
            return self.name().map(drop);
        }
        Ok(())
    }

    /// `(w partition by a order by b rows between …)`
    pub(super) fn window(&mut self) -> Parse {
        self.expect("(")?;
        let named = !self.at_any(&["range", "rows", "groups"]);
        if named && self.peek().is_some_and(|t| t.is_name()) {
            self.next();
        }
        if self.take_all(&["partition", "by"]) {
            self.expressions()?;
        }
        if self.at("order") {
            self.order_by()?;
        }
        if self.take("groups") {
            self.only_in(POSTGRES | SQLITE)?;
            self.frame()?;
        } else if self.take_any(&["range", "rows"]) {
            self.frame()?;
        }
        self.expect(")")
    }

    fn frame(&mut self) -> Parse {
        if self.take("between") {
            self.bound()?;
            self.expect("and")?;
        }
        self.bound()?;
        if self.take("exclude") {
            self.only_in(POSTGRES | SQLITE)?;
            let known = self.take_all(&["current", "row"])
                || self.take_all(&["no", "others"])
                || self.take_any(&["group", "ties"]);
            return if known { Ok(()) } else { Err(NOT_UNDERSTOOD) };
        }
        Ok(())
    }

    fn bound(&mut self) -> Parse {
        if self.take_all(&["current", "row"]) {
            return Ok(());
        }
        if !self.take("unbounded") {
            self.expect_kind(Kind::Number)?;
        }
        if self.take_any(&["preceding", "following"]) {
            Ok(())
        } else {
            Err(NOT_UNDERSTOOD)
        }
    }

    /// `text`, `double precision`, `varchar(10)`, `timestamp with time zone`, `int[]`
    pub(super) fn type_name(&mut self) -> Parse {
        if !self.take("interval") {
            let first = self.name()?;
            match first.word {
                "double" => drop(self.take("precision")),
                "character" | "char" | "bit" => drop(self.take("varying")),
                "national" => drop(self.take_any(&["char", "character"])),
                "unsigned" | "signed" => drop(self.take("integer")),
                _ => {}
            }
            while self.take(".") {
                self.name()?;
            }
        }
        if self.take("(") {
            self.comma_separated(|p| p.expect_kind(Kind::Number))?;
            self.expect(")")?;
        }
        if self.take_all(&["with", "time", "zone"]) || self.take_all(&["without", "time", "zone"]) {
            self.only_in(POSTGRES)?;
        }
        while self.take("[") {
            self.only_in(POSTGRES)?;
            self.take_kind(Kind::Number);
            self.expect("]")?;
        }
        Ok(())
    }

    /// `order by a desc nulls last, b`
    pub(super) fn order_by(&mut self) -> Parse {
        self.expect("order")?;
        self.expect("by")?;
        self.comma_separated(Self::order_term)
    }

    fn order_term(&mut self) -> Parse {
        self.expression()?;
        self.take_any(&["asc", "desc"]);
        if self.take("nulls") {
            self.only_in(POSTGRES | SQLITE)?;
            if !self.take_any(&["first", "last"]) {
                return Err(Doubt("has an order that is not understood"));
            }
        }
        Ok(())
    }
}
