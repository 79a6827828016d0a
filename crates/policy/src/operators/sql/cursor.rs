//! The position in one statement, and what the statement was seen to do so far.

use super::Doubt;
use super::dialect::Dialects;
use super::effects::Effects;
use super::functions::Functions;
use super::lexer::{Kind, Token};

/// The result of reading a part: it is understood, or the text is in doubt.
pub(super) type Parse = Result<(), Doubt>;

pub(super) const NOT_UNDERSTOOD: Doubt = Doubt("has SQL that is not understood");

/// Reads one statement, forwards only.
pub(super) struct Cursor<'t, 's> {
    tokens: &'t [Token<'s>],
    at: usize,
    dialects: Dialects,
    functions: &'t Functions,
    effects: Effects,
    depth: u32,
}

impl<'t, 's> Cursor<'t, 's> {
    /// Bounds the stack, and the look ahead over opening parentheses.
    const DEEPEST: u32 = 48;

    pub(super) const fn new(
        tokens: &'t [Token<'s>],
        dialects: Dialects,
        functions: &'t Functions,
    ) -> Self {
        Self {
            tokens,
            at: 0,
            dialects,
            functions,
            effects: Effects(0),
            depth: 0,
        }
    }

    /// What the whole statement does.
    pub(super) fn judge(mut self) -> Result<Effects, Doubt> {
        self.statement()?;
        match self.peek() {
            None if self.effects != Effects::default() => Ok(self.effects),
            _ => Err(NOT_UNDERSTOOD),
        }
    }

    /// INVARIANT: every recursion of the grammar passes here.
    pub(super) fn nested(&mut self, read: impl FnOnce(&mut Self) -> Parse) -> Parse {
        if self.depth >= Self::DEEPEST {
            return Err(Doubt("has SQL nested too deep"));
        }
        self.depth = self.depth.saturating_add(1);
        let result = read(self);
        self.depth = self.depth.saturating_sub(1);
        result
    }

    /// What comes is read alike only by these.
    pub(super) fn only_in(&self, dialects: Dialects) -> Parse {
        if self.dialects.within(dialects) {
            Ok(())
        } else {
            Err(Doubt(
                "has SQL that not every dialect asked for reads alike",
            ))
        }
    }

    pub(super) fn is_only(&self, dialect: Dialects) -> bool {
        self.dialects.within(dialect)
    }

    pub(super) fn note(&mut self, effects: Effects) {
        self.effects |= effects;
    }

    /// Runs a part and returns what it does, leaving what was noted before as it was.
    pub(super) fn effects_of(
        &mut self,
        read: impl FnOnce(&mut Self) -> Parse,
    ) -> Result<Effects, Doubt> {
        let before = std::mem::take(&mut self.effects);
        let result = read(self);
        let found = std::mem::replace(&mut self.effects, before);
        result.map(|()| found)
    }

    pub(super) fn note_call(&mut self, schema: Option<Token<'_>>, name: Token<'_>) {
        if !self.functions.hold(schema, name) {
            self.note(Effects::CALL);
        }
    }

    pub(super) fn peek(&self) -> Option<Token<'s>> {
        self.ahead(0)
    }

    pub(super) fn ahead(&self, by: usize) -> Option<Token<'s>> {
        self.tokens.get(self.at.saturating_add(by)).copied()
    }

    pub(super) fn before(&self) -> Option<Token<'s>> {
        self.behind(1)
    }

    pub(super) fn behind(&self, by: usize) -> Option<Token<'s>> {
        self.tokens.get(self.at.checked_sub(by)?).copied()
    }

    pub(super) fn next(&mut self) -> Option<Token<'s>> {
        let token = self.peek()?;
        self.at = self.at.saturating_add(1);
        Some(token)
    }

    pub(super) fn at(&self, word: &str) -> bool {
        self.at_ahead(0, word)
    }

    pub(super) fn at_ahead(&self, by: usize, word: &str) -> bool {
        self.ahead(by).is_some_and(|t| t.word == word)
    }

    pub(super) fn at_any(&self, words: &[&str]) -> bool {
        self.peek().is_some_and(|t| t.is_any(words))
    }

    pub(super) fn at_kind(&self, kind: Kind) -> bool {
        self.peek().is_some_and(|t| t.kind == kind)
    }

    pub(super) fn take(&mut self, word: &str) -> bool {
        let there = self.at(word);
        if there {
            self.next();
        }
        there
    }

    /// Takes all these words in a row, or none.
    pub(super) fn take_all(&mut self, words: &[&str]) -> bool {
        let there = words.iter().enumerate().all(|(i, w)| self.at_ahead(i, w));
        if there {
            self.at = self.at.saturating_add(words.len());
        }
        there
    }

    pub(super) fn take_any(&mut self, words: &[&str]) -> bool {
        let there = self.at_any(words);
        if there {
            self.next();
        }
        there
    }

    pub(super) fn take_kind(&mut self, kind: Kind) -> bool {
        let there = self.at_kind(kind);
        if there {
            self.next();
        }
        there
    }

    pub(super) fn expect(&mut self, word: &str) -> Parse {
        if self.take(word) {
            Ok(())
        } else {
            Err(NOT_UNDERSTOOD)
        }
    }

    pub(super) fn expect_kind(&mut self, kind: Kind) -> Parse {
        if self.take_kind(kind) {
            Ok(())
        } else {
            Err(NOT_UNDERSTOOD)
        }
    }

    /// A bare or quoted name.
    pub(super) fn name(&mut self) -> Result<Token<'s>, Doubt> {
        match self.peek() {
            Some(token) if token.is_name() => {
                self.next();
                Ok(token)
            }
            _ => Err(NOT_UNDERSTOOD),
        }
    }

    /// A name with what it belongs to: `a`, `a.b`, `a.b.c`.
    pub(super) fn qualified_name(&mut self) -> Parse {
        self.name()?;
        while self.take(".") {
            self.name()?;
        }
        Ok(())
    }

    /// `(a, b)`
    pub(super) fn name_list(&mut self) -> Parse {
        self.expect("(")?;
        self.comma_separated(|p| p.name().map(drop))?;
        self.expect(")")
    }

    pub(super) fn comma_separated(&mut self, mut read: impl FnMut(&mut Self) -> Parse) -> Parse {
        read(self)?;
        while self.take(",") {
            read(self)?;
        }
        Ok(())
    }
}
