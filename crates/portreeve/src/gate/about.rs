//! What the ledger is told of the resource or prompt that a call is about.

use std::borrow::Cow;

use portreeve_policy::Subject;

use super::Gate;
use super::resolve::Call;
use crate::ledger::{self, Target};

/// A resource without what could be secret in its URI, or a prompt's name.
#[derive(Debug)]
pub(super) struct About<'a> {
    text: Cow<'a, str>,
    mac: Option<[u8; 16]>,
}

impl<'a> About<'a> {
    pub(super) fn of(gate: &Gate, call: &Call<'a>) -> Option<Self> {
        match call.subject? {
            Subject::Resource { uri } => Some(Self::resource(gate, uri)),
            Subject::Prompt { name } => Some(Self {
                text: Cow::Borrowed(name),
                mac: None,
            }),
            _ => None,
        }
    }

    fn resource(gate: &Gate, uri: &'a str) -> Self {
        let text = ledger::shown(uri);
        let mac = (text != uri).then(|| gate.keys.mac("resource uri", uri.as_bytes()));
        Self {
            mac: mac.and_then(|mac| mac.first_chunk::<16>().copied()),
            text,
        }
    }

    pub(super) fn written(&self) -> Target<'_> {
        Target {
            text: &self.text,
            mac: self.mac,
        }
    }
}
