//! Calls, put together from their records: what happened, newest first.
//!
//! Reads the book backward, so that the newest calls of a large book come at once, and holds only
//! the ends of calls whose beginning is still further back.

use std::collections::HashMap;
use std::path::Path;

use portreeve_policy::time::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::acts::BookedAct;
use super::backward::BookBackward;
use super::misfit::Misfits;
use super::read::{Phase, Record};
use super::record::{Answer, Ended, Refused};
use super::records::ReadError;
use super::unreadable::Unreadables;
use crate::clock;

/// Records stand in the book nearly in the order of their times; a search in time looks so much
/// further, for calls that waited and clocks that were set.
pub(super) const SLACK_MS: i64 = 60 * 60 * 1_000;

/// The outcome of a call that was begun and has no finish.
pub const UNKNOWN: &str = "unknown";

/// Every word that a call's outcome may be.
pub const OUTCOMES: [&str; 8] = [
    Ended::Allow.word(),
    Ended::Failed.word(),
    Ended::NotSent.word(),
    Ended::Cancelled.word(),
    Refused::Deny.word(),
    Refused::Hide.word(),
    Refused::Ask.word(),
    UNKNOWN,
];

/// Words for the answer that a call got; a filter's outcome may be one of them too.
pub const ANSWERS: [&str; 3] = [
    Answer::Error.word(),
    Answer::ToolError.word(),
    Answer::Withheld.word(),
];

/// One call, begin and finish together.
#[derive(Clone, Debug, Serialize)]
pub struct BookedCall {
    /// The record that tells of it first.
    pub seq: u64,
    #[serde(serialize_with = "rfc3339")]
    pub at: Timestamp,
    pub call_id: String,
    pub grant: String,
    pub identity: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    pub method: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// The resource or prompt of a call that is about no tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_mac: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    pub rule: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arg_keys: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args_mac: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowVerdict>,
    #[serde(flatten)]
    pub end: CallEnd,
    /// What does not fit the chain in one of its records: it may not be what was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub misfit: Option<String>,
}

/// What a reader of the book is told of.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum BookedEntry {
    Call(Box<BookedCall>),
    Act(BookedAct),
}

/// What was found, newest last, and what of all that was read does not fit the chain or cannot be read
/// at all.
#[derive(Clone, Debug)]
pub struct Found<T> {
    pub items: Vec<T>,
    pub misfits: Misfits,
    /// What is not among the items, whichever were sought: nobody can say what these records tell.
    pub unreadable: Unreadables,
}

/// What a policy would have said that was being tried beside the one in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShadowVerdict {
    pub policy: String,
    /// `allow`, `deny`, `hide` or `ask`; `error` if it could not say.
    pub outcome: String,
    pub rule: String,
}

/// How a call ended, as far as the book knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallEnd {
    /// One of [`OUTCOMES`].
    pub outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub refunded: bool,
}

impl CallEnd {
    // INVARIANT: a begin without a finish reads as unknown, never as success.
    pub(super) fn unknown() -> Self {
        Self {
            outcome: UNKNOWN.to_owned(),
            result: None,
            reason: None,
            retry_after_ms: None,
            upstream_status: None,
            latency_us: None,
            refunded: false,
        }
    }

    pub(super) fn of(record: &Record<'_>) -> Self {
        Self {
            outcome: owned(record.outcome.as_deref()),
            result: record.result.as_deref().map(str::to_owned),
            reason: record.reason.as_deref().map(str::to_owned),
            retry_after_ms: record.retry_after_ms,
            upstream_status: record.upstream_status,
            latency_us: record.latency_us,
            refunded: record.refunded,
        }
    }
}

pub(super) fn owned(text: Option<&str>) -> String {
    text.unwrap_or_default().to_owned()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
pub(super) fn rfc3339<S: serde::Serializer>(
    at: &Timestamp,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&clock::rfc3339(*at))
}

impl BookedCall {
    pub(super) fn of(record: &Record<'_>, end: CallEnd) -> Self {
        Self {
            seq: record.seq,
            at: record.at,
            call_id: owned(record.call_id.as_deref()),
            grant: owned(record.grant.as_deref()),
            identity: owned(record.identity()),
            server: record.server.as_deref().map(str::to_owned),
            method: owned(record.method.as_deref()),
            tool: record.tool.as_deref().map(str::to_owned),
            target: record.target.as_deref().map(str::to_owned),
            target_mac: record.target_mac.as_deref().map(str::to_owned),
            policy: record.policy.as_deref().map(str::to_owned),
            rule: owned(record.rule.as_deref()),
            arg_keys: record.arg_keys.map(ToOwned::to_owned),
            arguments: record.arguments.map(ToOwned::to_owned),
            args_mac: record.args_mac.as_deref().map(str::to_owned),
            approval_id: record.approval_id.as_deref().map(str::to_owned),
            shadow: record.shadow.as_ref().map(|shadow| ShadowVerdict {
                policy: shadow.policy.to_string(),
                outcome: shadow.outcome.to_string(),
                rule: shadow.rule.to_string(),
            }),
            end,
            misfit: None,
        }
    }

    fn doubted(self, misfit: Option<String>) -> Self {
        Self { misfit, ..self }
    }

    /// Whether a policy that was being tried would have answered otherwise, or could not.
    pub fn shadow_differs(&self) -> bool {
        let refused = [Refused::Deny, Refused::Hide, Refused::Ask].map(Refused::word);
        let outcome = self.end.outcome.as_str();
        // However a call ended that was begun: it was allowed.
        let decided = if refused.contains(&outcome) {
            outcome
        } else {
            Ended::Allow.word()
        };
        let shadow = self.shadow.as_ref();
        shadow.is_some_and(|shadow| shadow.outcome != decided)
    }
}

/// Which calls. What is absent doesn't restrict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Calls at this time or later.
    pub since: Option<Timestamp>,
    /// Calls before this time.
    pub until: Option<Timestamp>,
    pub grant: Option<String>,
    pub identity: Option<String>,
    pub server: Option<String>,
    pub tool: Option<String>,
    pub target: Option<String>,
    pub method: Option<String>,
    /// One of [`OUTCOMES`] or [`ANSWERS`].
    pub outcome: Option<String>,
    pub call_id: Option<String>,
    pub rule: Option<String>,
    /// Only calls that a shadow policy would have answered otherwise.
    pub shadow_differs: bool,
    /// Also acts: those of the same time, whichever calls are asked for.
    pub acts: bool,
    /// At most so many: the newest.
    pub limit: Option<usize>,
}

impl Filter {
    pub fn matches(&self, call: &BookedCall) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        self.is_in_time(call.at)
            && is(&self.grant, Some(&call.grant))
            && is(&self.identity, Some(&call.identity))
            && is(&self.server, call.server.as_deref())
            && is(&self.tool, call.tool.as_deref())
            && is(&self.target, call.target.as_deref())
            && is(&self.method, Some(&call.method))
            && (is(&self.outcome, Some(&call.end.outcome))
                || is(&self.outcome, call.end.result.as_deref()))
            && is(&self.call_id, Some(&call.call_id))
            && is(&self.rule, Some(&call.rule))
            && (!self.shadow_differs || call.shadow_differs())
    }

    fn is_in_time(&self, at: Timestamp) -> bool {
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until)
    }

    fn takes(&self, entry: &BookedEntry) -> bool {
        match entry {
            BookedEntry::Call(call) => self.matches(call),
            BookedEntry::Act(act) => self.acts && self.is_in_time(act.at),
        }
    }
}

/// The matching calls, newest first, read as they are asked for. Goes past what cannot be read.
pub fn calls(dir: &Path, filter: Filter) -> Result<Calls, ReadError> {
    Ok(Calls {
        left: filter.limit.unwrap_or(usize::MAX),
        filter,
        lines: BookBackward::open(dir)?,
        reached: None,
        ends: HashMap::new(),
        misfits: Misfits::default(),
        unreadable: Unreadables::default(),
    })
}

/// The matching calls, newest last: the order of a book. Holds them all; set a limit.
pub fn query(dir: &Path, filter: Filter) -> Result<Vec<BookedCall>, ReadError> {
    let mut found = calls(dir, filter)?.collect::<Result<Vec<_>, _>>()?;
    found.reverse();
    Ok(found)
}

/// The matching calls, and acts if they are asked for, newest last. Holds them all; set a limit.
pub fn entries(dir: &Path, filter: Filter) -> Result<Found<BookedEntry>, ReadError> {
    let mut calls = calls(dir, filter)?;
    let mut items = Vec::new();
    while let Some(entry) = calls.next_entry()? {
        items.push(entry);
    }
    items.reverse();
    Ok(Found {
        items,
        misfits: calls.misfits,
        unreadable: calls.unreadable,
    })
}

/// The last `count` records as they stand in the book, newest last.
pub fn tail(dir: &Path, count: usize) -> Result<Vec<String>, ReadError> {
    let mut lines = BookBackward::open(dir)?;
    let mut records = Vec::new();
    while records.len() < count
        && let Some(line) = lines.next_line()?
    {
        records.push(String::from_utf8_lossy(line.bytes.trim_ascii_end()).into_owned());
    }
    records.reverse();
    Ok(records)
}

/// The number of the last record, also of one that cannot be read; 0 if there is none.
pub fn last_seq(dir: &Path) -> Result<u64, ReadError> {
    let last = BookBackward::open(dir)?.next_line()?;
    Ok(last.map_or(0, |line| match line.record(None) {
        Ok(record) => record.seq,
        Err(broken) => broken.seq,
    }))
}

/// See [`calls`].
#[derive(Debug)]
pub struct Calls {
    filter: Filter,
    left: usize,
    lines: BookBackward,
    reached: Option<u64>,
    /// Ends whose beginning is still to come: as many as calls were under way at once.
    ends: HashMap<String, (CallEnd, Option<String>)>,
    misfits: Misfits,
    unreadable: Unreadables,
}

impl Calls {
    fn next_entry(&mut self) -> Result<Option<BookedEntry>, ReadError> {
        while self.left > 0
            && let Some(line) = self.lines.next_line()?
        {
            let record = match line.record(self.reached) {
                Ok(record) => record,
                Err(broken) => {
                    self.reached = Some(broken.seq);
                    self.unreadable.note(broken);
                    continue;
                }
            };
            self.reached = Some(record.seq);
            if self.is_before_all(record.at) {
                break;
            }
            let doubt = self.misfits.note(line.misfit(record.seq));
            if let Some(entry) = self.put_together(&record, doubt)
                && self.filter.takes(&entry)
            {
                self.left -= 1;
                return Ok(Some(entry));
            }
        }
        self.left = 0;
        Ok(None)
    }

    fn next_call(&mut self) -> Result<Option<BookedCall>, ReadError> {
        loop {
            match self.next_entry()? {
                Some(BookedEntry::Call(call)) => return Ok(Some(*call)),
                Some(BookedEntry::Act(_)) => {}
                None => return Ok(None),
            }
        }
    }

    fn is_before_all(&self, at: Timestamp) -> bool {
        let since = self.filter.since;
        since.is_some_and(|since| since.since(at) > SLACK_MS)
    }

    fn put_together(&mut self, record: &Record<'_>, doubt: Option<String>) -> Option<BookedEntry> {
        let call = match record.phase {
            Phase::Finish if record.is_refusal() => {
                BookedCall::of(record, CallEnd::of(record)).doubted(doubt)
            }
            Phase::Finish => {
                let call_id = owned(record.call_id.as_deref());
                self.ends.insert(call_id, (CallEnd::of(record), doubt));
                return None;
            }
            Phase::Begin => {
                let end = self.ends.remove(record.call_id.as_deref()?);
                let (end, of_end) = end.unwrap_or_else(|| (CallEnd::unknown(), None));
                BookedCall::of(record, end).doubted(doubt.or(of_end))
            }
            Phase::Admin => return Some(BookedEntry::Act(BookedAct::of(record, doubt))),
            Phase::Checkpoint => return None,
        };
        Some(BookedEntry::Call(Box::new(call)))
    }
}

impl Iterator for Calls {
    type Item = Result<BookedCall, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_call().transpose();
        if matches!(next, Some(Err(_))) {
            self.left = 0;
        }
        next
    }
}
