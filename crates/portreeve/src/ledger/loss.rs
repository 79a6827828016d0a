//! How much of a book is given up by going on without its end.

use std::fmt;

use portreeve_policy::time::Timestamp;

use crate::clock;

/// What stood behind the last record that fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// How many records; as many at least, if they are missing.
    pub records: u64,
    /// The last record that is left.
    pub after: u64,
    /// When that one was booked.
    pub since: Option<Timestamp>,
    /// Whether they are there, but do not fit.
    pub set_aside: bool,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (records, after) = (self.records, self.after);
        let (plural, are) = if records == 1 {
            ("", "is")
        } else {
            ("s", "are")
        };
        if self.set_aside {
            write!(f, "Given up: {records} line{plural} that {are} set aside")?;
        } else {
            write!(
                f,
                "Given up: at least {records} record{plural} that {are} missing"
            )?;
        }
        match self.since {
            Some(since) => write!(
                f,
                ", all that was booked after record {after} of {}",
                clock::rfc3339(since)
            ),
            None if after == 0 => write!(f, ", the whole book"),
            None => write!(f, ", all that was booked after record {after}"),
        }
    }
}
