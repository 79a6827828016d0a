//! What a statement does, as a set of the kinds a policy can list.

use std::ops::{BitAnd, BitOr, BitOrAssign, Not};

/// A set of statement kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Effects(pub(super) u32);

macro_rules! kinds {
    ($($name:ident = $bit:literal, $word:literal;)*) => {
        impl Effects {
            $(pub(super) const $name: Self = Self(1 << $bit);)*
        }

        /// Every kind with its word.
        pub(super) const KINDS: &[(&str, Effects)] = &[$(($word, Effects::$name),)*];
    };
}

kinds! {
    SELECT = 0, "select";
    EXPLAIN = 1, "explain";
    SHOW = 2, "show";
    INSERT = 3, "insert";
    UPDATE = 4, "update";
    DELETE = 5, "delete";
    TRUNCATE = 6, "truncate";
    CREATE = 7, "create";
    ALTER = 8, "alter";
    DROP = 9, "drop";
    // Vacuum, analyze, reindex, flush, kill and the like.
    MAINTAIN = 10, "maintain";
    LOCK = 11, "lock";
    TRANSACTION = 12, "transaction";
    // Settings of the session or the server, pragmas that change something.
    SET = 13, "set";
    // Roles, users and what they may do.
    GRANT = 14, "grant";
    // Functions outside the list, procedures, prepared statements, modules.
    CALL = 15, "call";
    // The server's files and programs, other databases.
    FILE = 16, "file";
}

impl Effects {
    pub(super) const fn within(self, allowed: Self) -> bool {
        self.0 & allowed.0 == self.0
    }

    pub(super) fn named(word: &str) -> Result<Self, String> {
        let kind = KINDS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(word));
        kind.map(|(_, kind)| *kind).ok_or_else(|| {
            let valid: Vec<String> = KINDS.iter().map(|(n, _)| format!("`{n}`")).collect();
            let word = crate::visible::shown(word);
            format!(
                "lists the statement kind {word}; valid are {}",
                valid.join(", ")
            )
        })
    }

    /// The words of the set, for people.
    pub(super) fn words(self) -> impl Iterator<Item = &'static str> {
        let has = move |(word, kind): &(&'static str, Self)| kind.within(self).then_some(*word);
        KINDS.iter().filter_map(has)
    }
}

impl BitOr for Effects {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Effects {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl BitAnd for Effects {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Not for Effects {
    type Output = Self;

    fn not(self) -> Self {
        Self(!self.0)
    }
}
