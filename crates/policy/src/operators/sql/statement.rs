//! Which statement it is, by its first words, and what the kinds without a grammar here do.

use super::Doubt;
use super::cursor::{Cursor, NOT_UNDERSTOOD, Parse};
use super::definition::Words;
use super::dialect::Dialects;
use super::effects::Effects;
use super::lexer::Kind;
use super::words::{LOOKING_PRAGMAS, TELLING_PRAGMAS};

const POSTGRES: Dialects = Dialects::POSTGRES;
const SQLITE: Dialects = Dialects::SQLITE;
const MYSQL: Dialects = Dialects::MYSQL;

impl Cursor<'_, '_> {
    pub(super) fn statement(&mut self) -> Parse {
        if self.at("(") || self.query_follows(0) {
            return self.nested(Self::query);
        }
        if self.change_follows() {
            return self.change();
        }
        let first = self.next().ok_or(NOT_UNDERSTOOD)?;
        match first.word {
            "explain" | "describe" | "desc" => self.explain(first.word != "explain"),
            "show" => self.named(Effects::SHOW, POSTGRES | MYSQL),
            "pragma" => self.pragma(),
            "create" | "alter" | "drop" => self.definition(first.word),
            "truncate" => self.named(Effects::TRUNCATE, POSTGRES | MYSQL),
            "comment" | "security" => self.named(Effects::ALTER, POSTGRES),
            "rename" => self.named(Effects::ALTER, MYSQL),
            "grant" | "revoke" => self.unread(Effects::GRANT, POSTGRES | MYSQL),
            "begin" | "commit" | "end" | "rollback" | "savepoint" | "release" => {
                self.transaction(Dialects::ALL)
            }
            "start" | "abort" => self.transaction(POSTGRES | MYSQL),
            "set" => self.setting(),
            "reset" => self.named(Effects::SET | Effects::MAINTAIN, POSTGRES | MYSQL),
            "discard" => self.named(Effects::SET, POSTGRES),
            "use" => self.named(Effects::SET, MYSQL),
            "copy" => self.copy(),
            "attach" | "detach" => self.named(Effects::FILE, SQLITE),
            "load" => self.unread(
                Effects::FILE | Effects::INSERT | Effects::CALL,
                POSTGRES | MYSQL,
            ),
            "lock" | "unlock" => self.named(Effects::LOCK, POSTGRES | MYSQL),
            "vacuum" => self.vacuum(),
            "reindex" => self.named(Effects::MAINTAIN, POSTGRES | SQLITE),
            "analyze" => self.named(Effects::MAINTAIN, Dialects::ALL),
            "analyse" | "cluster" | "checkpoint" => self.named(Effects::MAINTAIN, POSTGRES),
            "optimize" | "repair" | "check" | "flush" | "kill" | "shutdown" => {
                self.named(Effects::MAINTAIN, MYSQL)
            }
            // What these run is written elsewhere.
            "call" | "do" | "execute" | "prepare" | "deallocate" => {
                self.unread(Effects::CALL, POSTGRES | MYSQL)
            }
            "declare" | "fetch" | "move" | "close" | "listen" | "unlisten" | "notify" => {
                self.unread(Effects::CALL, POSTGRES)
            }
            "handler" | "import" => self.unread(Effects::CALL | Effects::FILE, MYSQL),
            _ => Err(Doubt("begins with a word that begins no known statement")),
        }
    }

    /// A statement that does this, whatever else it says in known words.
    fn named(&mut self, effects: Effects, dialects: Dialects) -> Parse {
        self.only_in(dialects)?;
        self.note(effects);
        self.words(Words::Plain)
    }

    /// A statement that could hide anything: so its kind allows anything.
    fn unread(&mut self, effects: Effects, dialects: Dialects) -> Parse {
        self.only_in(dialects)?;
        self.note(effects);
        while self.next().is_some() {}
        Ok(())
    }

    /// `explain` shows a plan; with `analyze` it runs the statement.
    fn explain(&mut self, describes: bool) -> Parse {
        self.note(Effects::EXPLAIN);
        if self
            .peek()
            .is_some_and(|t| t.kind == Kind::Quoted || t.word.is_empty())
            || describes
        {
            self.only_in(MYSQL)?;
            self.note(Effects::SHOW);
            self.qualified_name()?;
            return self.alias();
        }
        let runs = self.explain_options()?;
        let inner = if self.change_follows() {
            self.effects_of(Self::change)?
        } else if self.at("(") || self.query_follows(0) {
            self.effects_of(|p| p.nested(Self::query))?
        } else {
            return Err(NOT_UNDERSTOOD);
        };
        // A plan touches no row. But to make one, constant calls are made, and a name in the
        // temporary schema makes that schema.
        let rows = Effects::INSERT | Effects::UPDATE | Effects::DELETE;
        let on_rows = rows | Effects::SELECT | Effects::LOCK;
        self.note(if runs { inner } else { inner & !on_rows });
        Ok(())
    }

    fn explain_options(&mut self) -> Result<bool, Doubt> {
        let analyze = ["analyze", "analyse"];
        let mut runs = false;
        if self.at("(") && !self.query_follows(1) {
            self.only_in(POSTGRES)?;
            while !self.take(")") {
                runs |= self.at_any(&analyze);
                self.next().ok_or(NOT_UNDERSTOOD)?;
            }
            return Ok(runs);
        }
        loop {
            if self.take_all(&["query", "plan"]) {
                self.only_in(SQLITE)?;
            } else if self.take_any(&analyze) {
                self.only_in(POSTGRES | MYSQL)?;
                runs = true;
            } else if self.take("verbose") {
                self.only_in(POSTGRES)?;
            } else if self.take("extended") {
                self.only_in(MYSQL)?;
            } else if self.take_all(&["format", "="]) {
                self.only_in(MYSQL)?;
                self.name()?;
            } else {
                return Ok(runs);
            }
        }
    }

    /// `begin`, `start transaction read only`, `rollback to a`: known words, and a name at the end.
    fn transaction(&mut self, dialects: Dialects) -> Parse {
        self.only_in(dialects)?;
        self.note(Effects::TRANSACTION);
        let known = [
            "and",
            "chain",
            "characteristics",
            "committed",
            "deferrable",
            "deferred",
            "exclusive",
            "immediate",
            "isolation",
            "level",
            "no",
            "not",
            "only",
            "prepared",
            "read",
            "repeatable",
            "savepoint",
            "serializable",
            "session",
            "to",
            "transaction",
            "uncommitted",
            "work",
            "write",
            "as",
        ];
        while self.take_any(&known) || self.take(",") {}
        if self
            .peek()
            .is_some_and(|t| t.is_name() || t.kind == Kind::Text)
        {
            self.next();
        }
        Ok(())
    }

    fn setting(&mut self) -> Parse {
        self.only_in(POSTGRES | MYSQL)?;
        self.take_any(&["session", "local", "global"]);
        if self.at_any(&["transaction", "characteristics"]) {
            return self.transaction(POSTGRES | MYSQL);
        }
        self.note(Effects::SET);
        let rights = ["role", "authorization", "password", "default"];
        if self.at_any(&rights) {
            self.note(Effects::GRANT);
        }
        self.words(Words::Plain)
    }

    /// `vacuum into` writes a file.
    fn vacuum(&mut self) -> Parse {
        self.only_in(POSTGRES | SQLITE)?;
        self.note(Effects::MAINTAIN);
        if self.is_only(POSTGRES) {
            return self.words(Words::Plain);
        }
        if self.peek().is_some_and(|t| t.is_name()) {
            self.next();
        }
        if self.take("into") {
            self.note(Effects::FILE);
            self.expression()?;
        }
        Ok(())
    }

    /// `copy` reads or inserts; to and from anything but the client, it uses the server's files.
    fn copy(&mut self) -> Parse {
        self.only_in(POSTGRES)?;
        if self.take("(") {
            if self.change_follows() {
                self.change()?;
            } else {
                self.nested(Self::query)?;
            }
            self.expect(")")?;
        } else {
            self.qualified_name()?;
            if self.at("(") {
                self.name_list()?;
            }
        }
        if self.take("from") {
            self.note(Effects::INSERT);
            if !self.take("stdin") {
                self.note(Effects::FILE);
            }
        } else {
            self.expect("to")?;
            self.note(Effects::SELECT);
            if !self.take("stdout") {
                self.note(Effects::FILE);
            }
        }
        self.words(Words::Plain)
    }

    /// `pragma name`, `pragma name = value`, `pragma name(value)`
    fn pragma(&mut self) -> Parse {
        self.only_in(SQLITE)?;
        let mut name = self.name()?;
        if self.take(".") {
            name = self.name()?;
        }
        let valued = self.peek().is_some();
        let lower = name.text.to_ascii_lowercase();
        let looks = LOOKING_PRAGMAS.contains(&lower.as_str());
        let tells = TELLING_PRAGMAS.contains(&lower.as_str()) && !valued;
        self.note(if looks || tells {
            Effects::SHOW
        } else {
            Effects::SET
        });
        if self.take("=") {
            return self.pragma_value();
        }
        if self.take("(") {
            self.pragma_value()?;
            return self.expect(")");
        }
        Ok(())
    }

    fn pragma_value(&mut self) -> Parse {
        self.take_any(&["-", "+"]);
        match self.next() {
            Some(token) if token.kind != Kind::Symbol => Ok(()),
            _ => Err(NOT_UNDERSTOOD),
        }
    }
}
