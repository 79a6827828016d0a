//! What a file that should keep anchors holds, line by line: whether it is one at all.
//!
//! `anchor` passes over what is no anchor, because a crash leaves lines half. A person who holds a
//! book against a file must learn that there was nothing in it to hold it against.

use std::io;
use std::path::Path;

use super::anchor::decode;
use super::lines::Forward;

/// How every anchor begins, whole or half.
const BEGINNING: &[u8] = b"{\"seq\":";

/// What stands in a file of anchors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnchorLines {
    pub anchors: u64,
    /// Lines that are neither an anchor nor one that a crash left half.
    pub strays: u64,
    /// The first of them, counted from 1.
    pub first_stray: Option<u64>,
}

impl AnchorLines {
    /// Counts what stands in the file at `path`.
    pub fn count(path: &Path) -> io::Result<Self> {
        let mut lines = Forward::open(path)?;
        let (mut counted, mut number) = (Self::default(), 0);
        while let Some(line) = lines.next_line()? {
            number += 1;
            let line = line.trim_ascii();
            if decode(line).is_some() {
                counted.anchors += 1;
            } else if !line.is_empty() && !is_half(line) {
                counted.strays += 1;
                counted.first_stray.get_or_insert(number);
            }
        }
        Ok(counted)
    }

    /// Why the file does not prove what it was asked for, if it does not.
    pub fn doubt(&self) -> Option<String> {
        match (self.anchors, self.first_stray) {
            (0, None) => Some("it holds no anchor".to_owned()),
            (0, Some(_)) => Some("it holds no anchor, but something else".to_owned()),
            (_, Some(line)) if self.strays == 1 => Some(format!("line {line} of it is no anchor")),
            (_, Some(line)) => Some(format!(
                "{} of its lines are no anchors, the first is line {line}",
                self.strays
            )),
            (_, None) => None,
        }
    }
}

fn is_half(line: &[u8]) -> bool {
    let begins = line.starts_with(BEGINNING) || BEGINNING.starts_with(line);
    begins && !line.ends_with(b"}")
}
