//! Queries: `select`, `values`, `table`, `with`, and all that can make one more than reading.

use super::Doubt;
use super::cursor::{Cursor, NOT_UNDERSTOOD, Parse};
use super::dialect::Dialects;
use super::effects::Effects;
use super::lexer::Kind;

const POSTGRES: Dialects = Dialects::POSTGRES;
const SQLITE: Dialects = Dialects::SQLITE;
const MYSQL: Dialects = Dialects::MYSQL;

impl Cursor<'_, '_> {
    /// Does a query begin `by` tokens ahead?
    pub(super) fn query_follows(&self, by: usize) -> bool {
        let begins = ["select", "with", "values", "table"];
        self.ahead(by)
            .is_some_and(|t| t.kind == Kind::Reserved && t.is_any(&begins))
    }

    /// `(query)`
    pub(super) fn subquery(&mut self) -> Parse {
        self.expect("(")?;
        self.nested(Self::query)?;
        self.expect(")")
    }

    /// A query, or a change that begins with `with`.
    pub(super) fn query(&mut self) -> Parse {
        let tables = self.effects_of(Self::with)?;
        if self.change_follows() {
            self.note(tables & !Effects::SELECT);
            return self.change();
        }
        self.note(tables | Effects::SELECT);
        self.query_term()?;
        self.query_tail()
    }

    /// The common tables before a query or a change.
    fn with(&mut self) -> Parse {
        if !self.take("with") {
            return Ok(());
        }
        self.take("recursive");
        self.comma_separated(|p| p.nested(Self::common_table))
    }

    fn common_table(&mut self) -> Parse {
        self.name()?;
        if self.at("(") {
            self.name_list()?;
        }
        self.expect("as")?;
        if self.take("materialized") || self.take_all(&["not", "materialized"]) {
            self.only_in(POSTGRES | SQLITE)?;
        }
        self.expect("(")?;
        if self.change_follows() {
            self.only_in(POSTGRES)?;
            self.change()?;
        } else {
            self.query()?;
        }
        self.expect(")")
    }

    fn query_term(&mut self) -> Parse {
        if self.at("(") {
            self.only_in(POSTGRES | MYSQL)?;
            return self.subquery();
        }
        if self.take("values") {
            return self.value_rows();
        }
        if self.take("table") {
            self.only_in(POSTGRES | MYSQL)?;
            return self.qualified_name();
        }
        self.select()
    }

    /// `values (1), (2)`; MySQL writes `row(1)`.
    fn value_rows(&mut self) -> Parse {
        self.comma_separated(|p| {
            if p.take("row") {
                p.only_in(MYSQL)?;
            } else {
                p.only_in(POSTGRES | SQLITE)?;
            }
            p.row_of_values()
        })
    }

    pub(super) fn row_of_values(&mut self) -> Parse {
        self.expect("(")?;
        self.expressions()?;
        self.expect(")")
    }

    fn select(&mut self) -> Parse {
        self.expect("select")?;
        if self.take("distinct") {
            if self.take("on") {
                self.only_in(POSTGRES)?;
                self.row_of_values()?;
            }
        } else {
            self.take("all");
        }
        if self.at("from") {
            self.only_in(POSTGRES)?;
        } else {
            self.select_items()?;
        }
        self.into()?;
        if self.take("from") {
            self.table_references()?;
        }
        if self.take("where") {
            self.expression()?;
        }
        self.group_by()?;
        if self.take("having") {
            self.expression()?;
        }
        if self.take("window") {
            self.comma_separated(|p| {
                p.name()?;
                p.expect("as")?;
                p.window()
            })?;
        }
        Ok(())
    }

    /// `a, b as c, t.*`
    pub(super) fn select_items(&mut self) -> Parse {
        self.comma_separated(|p| {
            p.expression()?;
            p.alias()
        })
    }

    /// `as a` or `a`
    pub(super) fn alias(&mut self) -> Parse {
        if self.take("as") {
            return self.name().map(drop);
        }
        if self.peek().is_some_and(|t| t.is_name()) {
            self.next();
        }
        Ok(())
    }

    fn group_by(&mut self) -> Parse {
        if !self.take("group") {
            return Ok(());
        }
        self.expect("by")?;
        self.comma_separated(Self::grouping)?;
        if self.take_all(&["with", "rollup"]) {
            self.only_in(MYSQL)?;
        }
        Ok(())
    }

    fn grouping(&mut self) -> Parse {
        if self.take("rollup") {
            self.only_in(POSTGRES)?;
            return self.row_of_values();
        }
        self.expression()
    }

    /// `select … into` makes a table, writes a file or sets variables.
    fn into(&mut self) -> Parse {
        if !self.take("into") {
            return Ok(());
        }
        self.only_in(POSTGRES | MYSQL)?;
        if self.is_only(MYSQL) {
            return self.files_or_variables();
        }
        self.note(Effects::CREATE);
        self.take_any(&["temp", "temporary", "unlogged"]);
        self.take("table");
        self.qualified_name()
    }

    fn files_or_variables(&mut self) -> Parse {
        if self.take_any(&["outfile", "dumpfile"]) {
            self.note(Effects::FILE);
            return self.expect_kind(Kind::Text);
        }
        self.note(Effects::SET);
        self.comma_separated(|p| p.expect_kind(Kind::Parameter))
    }

    /// What may follow a query's first part.
    pub(super) fn query_tail(&mut self) -> Parse {
        while self.take_any(&["union", "intersect", "except"]) {
            if !self.take("all") {
                self.take("distinct");
            }
            self.query_term()?;
        }
        if self.at("order") {
            self.order_by()?;
        }
        self.limits()?;
        if self.is_only(MYSQL) {
            self.into()?;
        }
        self.locks()
    }

    fn limits(&mut self) -> Parse {
        if self.at_any(&["offset", "fetch"]) {
            self.only_in(POSTGRES)?;
        }
        if self.take("limit") {
            if self.take("all") {
                self.only_in(POSTGRES)?;
            } else {
                self.expression()?;
            }
            if self.take(",") {
                self.only_in(MYSQL | SQLITE)?;
                return self.expression();
            }
        }
        if self.take("offset") {
            self.expression()?;
            if self.take_any(&["row", "rows"]) {
                self.only_in(POSTGRES)?;
            }
        }
        if self.at_any(&["limit", "fetch"]) {
            self.only_in(POSTGRES)?;
            if self.take("limit") {
                return self.expression();
            }
            self.next();
            return self.fetch();
        }
        Ok(())
    }

    fn fetch(&mut self) -> Parse {
        if !self.take_any(&["first", "next"]) {
            return Err(NOT_UNDERSTOOD);
        }
        self.take_kind(Kind::Number);
        let rows = self.take_any(&["row", "rows"]);
        if rows && (self.take("only") || self.take_all(&["with", "ties"])) {
            return Ok(());
        }
        Err(NOT_UNDERSTOOD)
    }

    /// `for update of t skip locked`, `lock in share mode`
    fn locks(&mut self) -> Parse {
        loop {
            if self.take("for") {
                self.only_in(POSTGRES | MYSQL)?;
                let known = self.take_any(&["update", "share"])
                    || self.take_all(&["no", "key", "update"])
                    || self.take_all(&["key", "share"]);
                if !known {
                    return Err(NOT_UNDERSTOOD);
                }
                if self.take("of") {
                    self.comma_separated(Self::qualified_name)?;
                }
                if self.take("skip") {
                    self.expect("locked")?;
                } else {
                    self.take("nowait");
                }
            } else if self.take("lock") {
                self.only_in(MYSQL)?;
                if !self.take_all(&["in", "share", "mode"]) {
                    return Err(NOT_UNDERSTOOD);
                }
            } else {
                return Ok(());
            }
            self.note(Effects::LOCK);
        }
    }

    /// The effects of the query alone, without that it reads.
    pub(super) fn query_beyond_reading(&mut self) -> Result<Effects, Doubt> {
        let effects = self.effects_of(|p| p.nested(Self::query))?;
        Ok(effects & !Effects::SELECT)
    }
}
