//! The anchor file that a person asked `verify` to hold the book against: whether there was anything
//! in it. Whoever empties it must not switch the check off unseen.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::ledger::AnchorLines;

/// The file, and what stands in it or why that can't be known.
pub(super) struct Asked {
    path: PathBuf,
    found: Result<AnchorLines, String>,
}

impl Asked {
    pub(super) fn read(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            found: AnchorLines::count(path).map_err(|error| error.to_string()),
        }
    }

    pub(super) const fn is_readable(&self) -> bool {
        self.found.is_ok()
    }

    /// Why the book was not, or not fully, held against it.
    pub(super) fn doubt(&self) -> Option<String> {
        match &self.found {
            Ok(lines) => lines.doubt(),
            Err(why) => Some(format!("it cannot be read ({why})")),
        }
    }

    pub(super) fn said(&self) -> String {
        let path = self.path.display();
        match (self.doubt(), &self.found) {
            (Some(why), _) => format!(
                "DOUBTED: the anchor file {path} was asked for, and {why}: it was replaced or \
                 emptied, or another file is meant"
            ),
            (None, Ok(AnchorLines { anchors: 1, .. })) => {
                format!("the anchor file {path} holds 1 anchor")
            }
            (None, Ok(lines)) => format!("the anchor file {path} holds {} anchors", lines.anchors),
            (None, Err(_)) => String::new(),
        }
    }

    pub(super) fn told(&self) -> Value {
        let lines = self.found.as_ref().ok();
        json!({
            "path": self.path.display().to_string(),
            "anchors": lines.map(|lines| lines.anchors),
            "strays": lines.map(|lines| lines.strays),
            "doubt": self.doubt(),
            "text": self.said(),
        })
    }
}
