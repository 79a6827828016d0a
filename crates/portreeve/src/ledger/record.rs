//! What is written into the book: borrowed descriptions of calls and acts.
//!
//! These are the meaning a caller hands over; `line` owns the written form and `read` what comes
//! back. Nothing here holds a secret or, unless the operator asked for it, an argument's value.

use portreeve_policy::time::Timestamp;
use serde_json::value::RawValue;

/// A call as it was asked, and the rule that answered.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The call's one time, read once: charges count from it. It may be a little earlier than that
    /// of the record before.
    pub at: Timestamp,
    pub call_id: &'a str,
    pub grant: &'a str,
    pub identity: &'a str,
    /// Absent when the call is not for one server.
    pub server: Option<&'a str>,
    pub method: &'a str,
    pub tool: Option<&'a str>,
    pub policy: Option<PolicyRef<'a>>,
    pub rule: &'a str,
    pub arguments: Arguments<'a>,
    pub approval_id: Option<&'a str>,
    /// What a policy would have said that is being tried beside the one in force.
    pub shadow: Option<Shadow<'a>>,
}

/// What a policy that is being tried would have said of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shadow<'a> {
    /// `name@version`; the name alone where there is no such policy.
    pub policy: &'a str,
    pub outcome: Shadowed,
    pub rule: &'a str,
    /// What it would have charged, in counters of its own.
    pub charges: &'a [Charge<'a>],
}

/// How a policy that is being tried would have answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shadowed {
    Allow,
    Deny,
    Hide,
    Ask,
    /// It could not say.
    Error,
}

impl Shadowed {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Hide => "hide",
            Self::Ask => "ask",
            Self::Error => "error",
        }
    }
}

/// A policy and its version, written `name@version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyRef<'a> {
    pub name: &'a str,
    pub version: u64,
}

/// What the book may know of a call's arguments.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arguments<'a> {
    /// The names of the arguments. The first [`ARG_KEYS_MAX`] are written, the others counted.
    pub keys: &'a [&'a str],
    /// The arguments themselves, only if the operator asked for values.
    pub values: Option<&'a RawValue>,
    /// A fingerprint under a key of the data directory: comparable, not guessable.
    pub mac: Option<[u8; 16]>,
}

/// How many argument names one record carries.
pub const ARG_KEYS_MAX: usize = 64;

/// What a call takes from one counter, with all that is needed to count it again after a restart.
/// Its time is the call's `at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge<'a> {
    /// The counter's whole name, joined by the caller; opaque here.
    pub key: &'a str,
    /// Exact decimal text.
    pub amount: &'a str,
    pub window_ms: u64,
}

/// A call that is about to be forwarded.
#[derive(Clone, Copy, Debug)]
pub struct Begin<'a> {
    pub call: Call<'a>,
    pub charges: &'a [Charge<'a>],
}

/// A call that is not forwarded: its one record.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    pub call: Call<'a>,
    pub outcome: Refused,
    pub reason: &'a str,
    pub retry_after_ms: Option<u64>,
}

/// How a call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    Deny,
    Hide,
    Ask,
}

impl Refused {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Hide => "hide",
            Self::Ask => "ask",
        }
    }
}

/// The end of a call that was begun.
#[derive(Clone, Copy, Debug)]
pub struct Finish<'a> {
    pub at: Timestamp,
    pub call_id: &'a str,
    pub outcome: Ended,
    pub result: Option<Answer>,
    pub reason: Option<&'a str>,
    pub upstream_status: Option<u16>,
    pub latency_us: u64,
}

/// How a begun call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Forwarded and answered.
    Allow,
    /// The upstream failed after something was sent; what it did is not known.
    Failed,
    /// Nothing surely reached the upstream: the charges were given back.
    NotSent,
    /// The caller gave up; what the upstream did is not known.
    Cancelled,
}

impl Ended {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Failed => "failed",
            Self::NotSent => "not_sent",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What kind of answer the upstream gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Ok,
    /// A protocol error.
    Error,
    /// A tool result that says it is an error.
    ToolError,
    /// One that the policy did not let through.
    Withheld,
}

impl Answer {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::ToolError => "tool_error",
            Self::Withheld => "withheld",
        }
    }
}

/// Something a person or the gate itself did to the gate.
#[derive(Clone, Copy, Debug)]
pub struct AdminAct<'a> {
    pub at: Timestamp,
    pub actor: &'a str,
    /// A dotted word such as `grant.create`.
    pub act: &'a str,
    pub subject: &'a str,
    pub detail: Option<&'a RawValue>,
}
