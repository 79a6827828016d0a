//! What stands in `from`: tables, joins, subqueries and functions that return tables.

use super::cursor::{Cursor, Parse};
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
    fn join(&mut self) -> Result<bool, super::Doubt> {
        self.take("natural");
        if self.take("full") {
            self.only_in(POSTGRES | SQLITE)?;
            self.take("outer");
        } else if self.take_any(&["left", "right"]) {
            self.take("outer");
        } else {
            self.take_any(&["inner", "cross"]);
        }
        if !self.at("join") {
            let partial = [
                "natural", "full", "outer", "left", "right", "inner", "cross",
            ];
            return if self.before().is_some_and(|t| t.is_any(&partial)) {
                Err(super::cursor::NOT_UNDERSTOOD)
            } else {
                Ok(false)
            };
        }
        self.expect("join")?;
        self.table_factor()?;
        if self.take("on") {
            self.expression()?;
        } else if self.take("using") {
            self.name_list()?;
        }
        Ok(true)
    }
}
