//! The databases whose reading of a text counts.

use std::ops::BitOr;

/// A set of dialects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dialects(u8);

impl Dialects {
    pub(super) const POSTGRES: Self = Self(1);
    pub(super) const SQLITE: Self = Self(2);
    pub(super) const MYSQL: Self = Self(4);
    pub(super) const ALL: Self = Self(7);

    pub(super) const fn within(self, other: Self) -> bool {
        self.0 & other.0 == self.0
    }

    pub(super) const fn has(self, other: Self) -> bool {
        other.within(self)
    }

    pub(super) fn named(name: &str) -> Result<Self, String> {
        match name {
            "postgresql" | "postgres" => Ok(Self::POSTGRES),
            "sqlite" => Ok(Self::SQLITE),
            "mysql" => Ok(Self::MYSQL),
            _ => {
                let name = crate::visible::shown(name);
                Err(format!(
                    "names the dialect {name}; valid are `postgresql`, `sqlite` and `mysql`"
                ))
            }
        }
    }
}

impl BitOr for Dialects {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
