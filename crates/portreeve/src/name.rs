//! The names people give: of servers, of policies, and the labels of grants.
//!
//! A name that exists as a value has been checked, so it may stand in a URL path, a file name, a
//! ledger record or a terminal without a second look.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name, in characters.
pub const MAX_LENGTH: usize = 64;

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("a {0} cannot be empty: use 1 to 64 letters, digits, `.`, `_` or `-`")]
    Empty(&'static str),
    #[error("the {0} is longer than 64 characters: shorten it")]
    TooLong(&'static str),
    #[error("the {kind} {text:?} begins with {found:?}: begin with a letter or a digit")]
    BadStart {
        kind: &'static str,
        text: String,
        found: char,
    },
    #[error("the {kind} {text:?} contains {found:?}: use letters, digits, {others} only")]
    BadCharacter {
        kind: &'static str,
        text: String,
        found: char,
        others: &'static str,
    },
}

fn check(text: &str, kind: &'static str, extra: &[char]) -> Result<(), NameError> {
    let first = text.chars().next().ok_or(NameError::Empty(kind))?;
    if text.chars().count() > MAX_LENGTH {
        return Err(NameError::TooLong(kind));
    }
    let wrong =
        |c: &char| !(c.is_ascii_alphanumeric() || ['.', '_', '-'].contains(c) || extra.contains(c));
    if let Some(found) = text.chars().find(wrong) {
        return Err(NameError::BadCharacter {
            kind,
            text: text.to_owned(),
            found,
            others: if extra.is_empty() {
                "`.`, `_` and `-`"
            } else {
                "`.`, `_`, `-` and `@`"
            },
        });
    }
    if !first.is_ascii_alphanumeric() {
        return Err(NameError::BadStart {
            kind,
            text: text.to_owned(),
            found: first,
        });
    }
    Ok(())
}

macro_rules! checked_text {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $extra:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// Checks the text.
            pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
                let text = text.into();
                check(&text, $kind, $extra)?;
                Ok(Self(text))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl Deref for $type {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl PartialEq<str> for $type {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }

        impl PartialEq<&str> for $type {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }
    };
}

checked_text!(
    /// The name of a server or a policy: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`.
    Name, "name", &[]
);
checked_text!(
    /// The label of a grant: a name that may also hold `@`.
    Label, "label", &['@']
);

/// What may stand as an identity.
pub fn check_identity(identity: &str) -> Result<(), &'static str> {
    let length = identity.chars().count();
    if (1..=256).contains(&length) && !identity.chars().any(char::is_control) {
        Ok(())
    } else {
        Err("an identity is 1 to 256 characters without control characters")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_the_rule_says() {
        for good in ["a", "9", "runs", "a.b_c-d", &"x".repeat(64)] {
            assert!(Name::new(good).is_ok(), "{good}");
        }
        for (bad, says) in [
            ("", "empty"),
            (".hidden", "begin with a letter"),
            ("-x", "begin with a letter"),
            ("a/b", "contains '/'"),
            ("a b", "contains ' '"),
            ("ü", "contains 'ü'"),
            ("a@b", "contains '@'"),
            (&"x".repeat(65), "longer than 64"),
        ] {
            let error = Name::new(bad).expect_err(bad).to_string();
            assert!(error.contains(says), "{bad}: {error}");
        }
    }

    #[test]
    fn a_label_may_hold_an_at_sign_but_not_begin_with_it() {
        assert_eq!(
            Label::new("ci@acme").map(String::from).as_deref(),
            Ok("ci@acme")
        );
        assert!(Label::new("@ci").is_err());
    }

    #[test]
    fn reading_json_checks_too() {
        assert!(serde_json::from_str::<Name>("\"../etc\"").is_err());
        assert_eq!(
            serde_json::from_str::<Name>("\"runs\"").expect("a name"),
            "runs"
        );
    }
}
