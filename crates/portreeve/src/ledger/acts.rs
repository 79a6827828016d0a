//! Administrative acts: who changed what, when.

use std::path::Path;

use portreeve_policy::time::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::backward::BookBackward;
use super::calls::{Found, SLACK_MS, owned, rfc3339};
use super::misfit::Misfits;
use super::read::{Phase, Record};
use super::records::ReadError;
use super::unreadable::Unreadables;

/// One act.
#[derive(Clone, Debug, Serialize)]
pub struct BookedAct {
    pub seq: u64,
    #[serde(serialize_with = "rfc3339")]
    pub at: Timestamp,
    pub actor: String,
    pub act: String,
    pub subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Box<RawValue>>,
    /// What does not fit the chain in its record: it may not be what was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub misfit: Option<String>,
}

impl BookedAct {
    pub(super) fn of(record: &Record<'_>, misfit: Option<String>) -> Self {
        Self {
            seq: record.seq,
            at: record.at,
            actor: owned(record.actor.as_deref()),
            act: owned(record.act.as_deref()),
            subject: owned(record.subject.as_deref()),
            detail: record.detail.map(ToOwned::to_owned),
            misfit,
        }
    }
}

/// The newest acts, at this time or later, newest last.
pub fn acts(
    dir: &Path,
    since: Option<Timestamp>,
    limit: Option<usize>,
) -> Result<Found<BookedAct>, ReadError> {
    let limit = limit.unwrap_or(usize::MAX);
    let mut lines = BookBackward::open(dir)?;
    let (mut found, mut reached) = (Vec::new(), None);
    let (mut misfits, mut unreadable) = (Misfits::default(), Unreadables::default());
    while found.len() < limit
        && let Some(line) = lines.next_line()?
    {
        let record = match line.record(reached) {
            Ok(record) => record,
            Err(broken) => {
                reached = Some(broken.seq);
                unreadable.note(broken);
                continue;
            }
        };
        reached = Some(record.seq);
        if since.is_some_and(|since| since.since(record.at) > SLACK_MS) {
            break;
        }
        let doubt = misfits.note(line.misfit(record.seq));
        if record.phase == Phase::Admin && since.is_none_or(|since| record.at >= since) {
            found.push(BookedAct::of(&record, doubt));
        }
    }
    found.reverse();
    Ok(Found {
        items: found,
        misfits,
        unreadable,
    })
}
