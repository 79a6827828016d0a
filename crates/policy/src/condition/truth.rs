//! Three values, combined as Kleene did.

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    True,
    False,
    /// It cannot be told.
    Error(Trouble),
}

/// Why it cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Null,
    /// The value is one thing and had to be another.
    Type {
        found: &'static str,
        wanted: &'static str,
    },
    /// A step of the path does not fit what is there.
    Astray,
    /// `[*]` stands before something that is no array.
    NoArray,
    /// More than 38 digits, or an exponent beyond reckoning.
    Number,
    /// The schema's branches give different defaults for a missing value.
    Defaults,
    /// The time has no date, or there is no such time zone.
    Time,
    /// The value has a form that others could read differently; in words, which.
    Doubtful(&'static str),
}

impl Truth {
    /// True if one is; false if all are; else an error.
    pub(crate) fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut sum = Self::False;
        for part in parts {
            match (part, sum) {
                // INVARIANT: nothing else can change the sum any more, so stopping hides nothing.
                (Self::True, _) => return Self::True,
                (Self::Error(_), Self::False) => sum = part,
                _ => {}
            }
        }
        sum
    }

    /// False if one is; true if all are; else an error.
    pub(crate) fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::any(parts.into_iter().map(Self::negated)).negated()
    }

    pub(crate) const fn negated(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Error(trouble) => Self::Error(trouble),
        }
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

impl Trouble {
    /// What is wrong with the value, as the end of a sentence about it.
    pub(crate) fn in_words(self) -> String {
        match self {
            Self::Null => "is null".to_owned(),
            Self::Type { found, wanted } => format!("is {found}, not {wanted}"),
            Self::Astray => "leads through something that has no such part".to_owned(),
            Self::NoArray => "has a [*] where there is no array".to_owned(),
            Self::Number => "is a number beyond reckoning".to_owned(),
            Self::Defaults => "is missing, and its default is not clear".to_owned(),
            Self::Time => "cannot be told".to_owned(),
            Self::Doubtful(why) => why.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: Truth = Truth::True;
    const F: Truth = Truth::False;
    const E: Truth = Truth::Error(Trouble::Null);

    #[test]
    fn the_tables_are_kleenes() {
        for (a, b, and, or) in [
            (T, T, T, T),
            (T, F, F, T),
            (T, E, E, T),
            (F, T, F, T),
            (F, F, F, F),
            (F, E, F, E),
            (E, T, E, T),
            (E, F, F, E),
            (E, E, E, E),
        ] {
            assert_eq!(Truth::all([a, b]), and, "{a:?} and {b:?}");
            assert_eq!(Truth::any([a, b]), or, "{a:?} or {b:?}");
        }
        assert_eq!([T, F, E].map(Truth::negated), [F, T, E]);
        assert_eq!((Truth::all([]), Truth::any([])), (T, F));
    }
}
