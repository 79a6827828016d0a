//! What stands in `from`: tables, joins, subqueries and functions that return tables.

use super::Doubt;
use super::cursor::{Cursor, NOT_UNDERSTOOD, Parse};
use super::dialect::Dialects;

const POSTGRES: Dialects = Dialects::POSTGRES;
const SQLITE: Dialects = Dialects::SQLITE;
const MYSQL: Dialects = Dialects::MYSQL;

impl Cursor<'_, '_> {
    pub(super) fn table_references(&mut self) -> Parse {
        self.comma_separated(Self::table_reference)
    }

    fn table_reference(&mut self) -> Parse {
        self.nested(|p| {
            p.table_factor()?;
            while p.join()? {}
            Ok(())
        })
    }

    fn table_factor(&mut self) -> Parse {
        if self.take("lateral") {
            self.only_in(POSTGRES | MYSQL)?;
        }
        if self.take("only") {
            self.only_in(POSTGRES)?;
        }
        if self.at("(") {
            if self.query_follows(1) {
                self.subquery()?;
            } else {
                self.expect("(")?;
                self.table_references()?;
                // `((select 1) union select 2)`
                self.nested(Self::query_tail)?;
                self.expect(")")?;
            }
        } else {
            self.table_or_function()?;
        }
        if self.take_all(&["with", "ordinality"]) {
            self.only_in(POSTGRES)?;
        }
        self.table_alias()
    }

    fn table_or_function(&mut self) -> Parse {
        let mut schema = None;
        let mut name = self.name()?;
        while self.take(".") {
            schema = Some(name);
            name = self.name()?;
        }
        if self.at("(") {
            // MySQL has no such functions.
            self.only_in(POSTGRES | SQLITE)?;
            return self.call(schema, name);
        }
        Ok(())
    }

    fn table_alias(&mut self) -> Parse {
        self.alias()?;
        let named = self.before().is_some_and(|t| t.is_name());
        if named && self.at("(") {
            self.only_in(POSTGRES | MYSQL)?;
            return self.column_definitions();
        }
        Ok(())
    }

    /// `(a, b)`, or `(a int, b text)` for a function that returns records.
    fn column_definitions(&mut self) -> Parse {
        self.expect("(")?;
        self.comma_separated(|p| {
            p.name()?;
            if p.peek().is_some_and(|t| t.is_name()) {
                p.only_in(POSTGRES)?;
                p.type_name()?;
            }
            Ok(())
        })?;
        self.expect(")")
    }

    /// Takes one join, if one follows.
    fn join(&mut self) -> Result<bool, Doubt> {
        let natural = self.take("natural");
        let cross = !natural && self.take("cross");
        let sided = if self.take("full") {
            self.only_in(POSTGRES | SQLITE)?;
            true
        } else {
            !cross && self.take_any(&["left", "right"])
        };
        if sided {
            self.take("outer");
        }
        let inner = !cross && !sided && self.take("inner");
        if !self.take("join") {
            let begun = natural || cross || sided || inner;
            return if begun {
                Err(NOT_UNDERSTOOD)
            } else {
                Ok(false)
            };
        }
        self.table_factor()?;
        self.join_condition(natural || cross)?;
        Ok(true)
    }

    /// PostgreSQL has a condition exactly where a join is neither `natural` nor `cross`.
    fn join_condition(&mut self, needs_none: bool) -> Parse {
        let there = self.at_any(&["on", "using"]);
        if there == needs_none {
            self.only_in(MYSQL | SQLITE)?;
        }
        if self.take("on") {
            return self.expression();
        }
        if self.take("using") {
            return self.name_list();
        }
        Ok(())
    }
}
