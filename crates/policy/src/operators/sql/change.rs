//! Changes of rows: `insert`, `update`, `delete`, `merge`, `replace`.

use super::cursor::{Cursor, NOT_UNDERSTOOD, Parse};
use super::dialect::Dialects;
use super::effects::Effects;

const POSTGRES: Dialects = Dialects::POSTGRES;
const SQLITE: Dialects = Dialects::SQLITE;
const MYSQL: Dialects = Dialects::MYSQL;

impl Cursor<'_, '_> {
    pub(super) fn change_follows(&self) -> bool {
        self.at_any(&["insert", "update", "delete", "merge"])
            || (self.at("replace") && self.at_ahead(1, "into"))
    }

    /// One change, without the `with` before it. What it reads is part of it.
    pub(super) fn change(&mut self) -> Parse {
        let effects = self.effects_of(|p| p.nested(Self::change_itself))?;
        self.note(effects & !Effects::SELECT);
        Ok(())
    }

    fn change_itself(&mut self) -> Parse {
        if self.take("insert") {
            self.note(Effects::INSERT);
            self.conflict_clause()?;
            if self.take("ignore") {
                self.only_in(MYSQL)?;
            }
            return self.insert();
        }
        if self.take("replace") {
            self.only_in(MYSQL | SQLITE)?;
            self.note(Effects::INSERT | Effects::DELETE);
            return self.insert();
        }
        if self.take("update") {
            self.note(Effects::UPDATE);
            self.conflict_clause()?;
            return self.update();
        }
        if self.take("delete") {
            self.note(Effects::DELETE);
            return self.delete();
        }
        self.only_in(POSTGRES)?;
        self.merge()
    }

    /// SQLite's `or replace` deletes the rows in the way; `or rollback` ends the transaction.
    fn conflict_clause(&mut self) -> Parse {
        if !self.take("or") {
            return Ok(());
        }
        self.only_in(SQLITE)?;
        match self.next().map(|t| t.word) {
            Some("replace") => self.note(Effects::DELETE),
            Some("rollback") => self.note(Effects::TRANSACTION),
            Some("abort" | "ignore") => {}
            _ => return Err(NOT_UNDERSTOOD),
        }
        Ok(())
    }

    fn insert(&mut self) -> Parse {
        self.expect("into")?;
        self.qualified_name()?;
        if self.take("as") {
            self.only_in(POSTGRES | SQLITE)?;
            self.name()?;
        }
        if self.at("(") && !self.query_follows(1) {
            self.name_list()?;
        }
        if self.take_all(&["default", "values"]) {
            self.only_in(POSTGRES | SQLITE)?;
        } else if self.take("values") {
            self.comma_separated(Self::row_of_values)?;
        } else if self.at("(") || self.query_follows(0) {
            self.nested(Self::query)?;
        } else {
            return Err(NOT_UNDERSTOOD);
        }
        self.on_conflict()?;
        self.returning()
    }

    fn on_conflict(&mut self) -> Parse {
        if self.take_all(&["on", "duplicate", "key", "update"]) {
            self.only_in(MYSQL)?;
            self.note(Effects::UPDATE);
            return self.assignments();
        }
        while self.take_all(&["on", "conflict"]) {
            self.only_in(POSTGRES | SQLITE)?;
            if self.take_all(&["on", "constraint"]) {
                self.name()?;
            } else if self.at("(") {
                self.row_of_values()?;
                self.condition()?;
            }
            self.expect("do")?;
            if !self.take("nothing") {
                self.expect("update")?;
                self.note(Effects::UPDATE);
                self.expect("set")?;
                self.assignments()?;
                self.condition()?;
            }
        }
        Ok(())
    }

    fn condition(&mut self) -> Parse {
        if self.take("where") {
            return self.expression();
        }
        Ok(())
    }

    fn returning(&mut self) -> Parse {
        if self.take("returning") {
            self.only_in(POSTGRES | SQLITE)?;
            return self.select_items();
        }
        Ok(())
    }

    /// `a = 1, (b, c) = (2, 3)`
    fn assignments(&mut self) -> Parse {
        self.comma_separated(|p| {
            if p.at("(") {
                p.only_in(POSTGRES | SQLITE)?;
                p.name_list()?;
            } else {
                p.qualified_name()?;
            }
            p.expect("=")?;
            p.expression()
        })
    }

    fn changed_table(&mut self) -> Parse {
        if self.take("only") {
            self.only_in(POSTGRES)?;
        }
        self.qualified_name()?;
        self.alias()
    }

    fn update(&mut self) -> Parse {
        self.changed_table()?;
        self.expect("set")?;
        self.assignments()?;
        if self.take("from") {
            self.only_in(POSTGRES | SQLITE)?;
            self.table_references()?;
        }
        self.condition()?;
        self.returning()
    }

    fn delete(&mut self) -> Parse {
        self.expect("from")?;
        self.changed_table()?;
        if self.take("using") {
            self.only_in(POSTGRES)?;
            self.table_references()?;
        }
        self.condition()?;
        self.returning()
    }

    fn merge(&mut self) -> Parse {
        self.expect("merge")?;
        self.expect("into")?;
        self.changed_table()?;
        self.expect("using")?;
        self.table_references()?;
        self.expect("on")?;
        self.expression()?;
        loop {
            self.expect("when")?;
            self.take("not");
            self.expect("matched")?;
            if self.take("and") {
                self.expression()?;
            }
            self.expect("then")?;
            self.merge_action()?;
            if !self.at("when") {
                return Ok(());
            }
        }
    }

    fn merge_action(&mut self) -> Parse {
        if self.take_all(&["do", "nothing"]) {
            return Ok(());
        }
        if self.take("delete") {
            self.note(Effects::DELETE);
            return Ok(());
        }
        if self.take_all(&["update", "set"]) {
            self.note(Effects::UPDATE);
            return self.assignments();
        }
        self.expect("insert")?;
        self.note(Effects::INSERT);
        if self.at("(") {
            self.name_list()?;
        }
        if self.take_all(&["default", "values"]) {
            return Ok(());
        }
        self.expect("values")?;
        self.row_of_values()
    }
}
