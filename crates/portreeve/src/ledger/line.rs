//! The written form of a record: one JSON object, straight into a reused buffer.
//!
//! A serializer of our own because this is the hot path and the order and spelling of every byte
//! is part of the contract. Leaves the chain to `chain` and the file to `book`.

use portreeve_policy::json::plain_length;
use portreeve_policy::time::Timestamp;
use serde_json::value::RawValue;

use super::chain::{Head, close_line};
use super::record::{
    ARG_KEYS_MAX, AdminAct, Arguments, Begin, Call, Charge, Finish, PolicyRef, Refusal, Shadow,
};
use super::target::Target;
use crate::clock;

/// Text that callers choose is cut beyond this many bytes, so that no one fills the disk with a
/// tool's name. The cut is marked with `…`.
const TEXT_MAX: usize = 1_024;
/// Names of arguments are cut earlier: there may be many.
const ARG_KEY_MAX: usize = 128;

/// What a record says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entry<'a> {
    Begin(&'a Begin<'a>),
    Refusal(&'a Refusal<'a>),
    Finish(&'a Finish<'a>),
    Admin(&'a AdminAct<'a>),
    Checkpoint {
        at: Timestamp,
        key: &'a str,
        sig: &'a str,
    },
}

impl Entry<'_> {
    const fn at(&self) -> Timestamp {
        match self {
            Self::Begin(begin) => begin.call.at,
            Self::Refusal(refusal) => refusal.call.at,
            Self::Finish(finish) => finish.at,
            Self::Admin(act) => act.at,
            Self::Checkpoint { at, .. } => *at,
        }
    }
}

/// Writes records one after another. Remembers the spelling of the current second, which most
/// records share.
#[derive(Debug, Default)]
pub(super) struct Writer {
    second: Option<i64>,
    spelled: String,
}

impl Writer {
    /// Appends the record that follows `head` and returns the new head.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, head: Head, entry: &Entry<'_>) -> Head {
        let start = out.len();
        let seq = head.seq.saturating_add(1);
        out.extend_from_slice(b"{\"seq\":");
        integer(out, seq);
        self.time(out, entry.at());
        match entry {
            Entry::Begin(begin) => write_begin(out, begin),
            Entry::Refusal(refusal) => write_refusal(out, refusal),
            Entry::Finish(finish) => write_finish(out, finish),
            Entry::Admin(act) => write_admin(out, act),
            Entry::Checkpoint { key, sig, .. } => {
                word(out, "phase", "checkpoint");
                word(out, "key", key);
                word(out, "sig", sig);
            }
        }
        let hash = close_line(out, start, head.hash);
        Head { seq, hash }
    }

    fn time(&mut self, out: &mut Vec<u8>, at: Timestamp) {
        let second = at.0.div_euclid(1_000);
        if self.second != Some(second) {
            let whole = clock::rfc3339(at);
            whole
                .rsplit_once('.')
                .map_or("", |(seconds, _)| seconds)
                .clone_into(&mut self.spelled);
            self.second = Some(second);
        }
        let millis = at.0.rem_euclid(1_000).unsigned_abs();
        out.extend_from_slice(b",\"at\":\"");
        out.extend_from_slice(self.spelled.as_bytes());
        out.push(b'.');
        if millis < 100 {
            out.push(b'0');
        }
        if millis < 10 {
            out.push(b'0');
        }
        integer(out, millis);
        out.extend_from_slice(b"Z\"");
    }
}

fn write_begin(out: &mut Vec<u8>, begin: &Begin<'_>) {
    text(out, "call_id", begin.call.call_id);
    word(out, "phase", "begin");
    write_call(out, &begin.call);
    write_charges(out, begin.charges);
}

fn write_refusal(out: &mut Vec<u8>, refusal: &Refusal<'_>) {
    text(out, "call_id", refusal.call.call_id);
    word(out, "phase", "finish");
    write_call(out, &refusal.call);
    word(out, "outcome", refusal.outcome.word());
    text(out, "reason", refusal.reason);
    maybe(out, refusal.retry_after_ms, |out, ms| {
        number(out, "retry_after_ms", ms);
    });
}

fn write_finish(out: &mut Vec<u8>, finish: &Finish<'_>) {
    text(out, "call_id", finish.call_id);
    word(out, "phase", "finish");
    word(out, "outcome", finish.outcome.word());
    maybe(out, finish.result, |out, result| {
        word(out, "result", result.word());
    });
    maybe(out, finish.reason, |out, reason| {
        text(out, "reason", reason);
    });
    maybe(out, finish.upstream_status, |out, status| {
        number(out, "upstream_status", u64::from(status));
    });
    number(out, "latency_us", finish.latency_us);
    if finish.outcome == super::record::Ended::NotSent {
        out.extend_from_slice(b",\"refunded\":true");
    }
}

fn write_admin(out: &mut Vec<u8>, act: &AdminAct<'_>) {
    word(out, "phase", "admin");
    text(out, "actor", act.actor);
    text(out, "act", act.act);
    text(out, "subject", act.subject);
    maybe(out, act.detail, |out, detail| raw(out, "detail", detail));
}

fn write_call(out: &mut Vec<u8>, call: &Call<'_>) {
    text(out, "grant", call.grant);
    if call.identity != call.grant {
        text(out, "identity", call.identity);
    }
    maybe(out, call.server, |out, server| text(out, "server", server));
    text(out, "method", call.method);
    maybe(out, call.tool, |out, tool| text(out, "tool", tool));
    maybe(out, call.target, write_target);
    maybe(out, call.policy, write_policy);
    text(out, "rule", call.rule);
    write_arguments(out, &call.arguments);
    maybe(out, call.approval_id, |out, id| {
        text(out, "approval_id", id);
    });
    maybe(out, call.shadow, write_shadow);
}

fn write_shadow(out: &mut Vec<u8>, shadow: Shadow<'_>) {
    out.extend_from_slice(b",\"shadow\":{\"policy\":");
    quoted(out, shadow.policy, TEXT_MAX);
    word(out, "outcome", shadow.outcome.word());
    text(out, "rule", shadow.rule);
    write_charges(out, shadow.charges);
    out.push(b'}');
}

fn write_target(out: &mut Vec<u8>, target: Target<'_>) {
    text(out, "target", target.text);
    maybe(out, target.mac, |out, mac| {
        fingerprint(out, "target_mac", mac);
    });
}

fn write_policy(out: &mut Vec<u8>, policy: PolicyRef<'_>) {
    member(out, "policy");
    out.push(b'"');
    escaped(out, cut(policy.name, TEXT_MAX));
    out.push(b'@');
    integer(out, policy.version);
    out.push(b'"');
}

fn write_arguments(out: &mut Vec<u8>, arguments: &Arguments<'_>) {
    if !arguments.keys.is_empty() {
        member(out, "arg_keys");
        list(out, arguments.keys.iter().take(ARG_KEYS_MAX), |out, key| {
            quoted(out, key, ARG_KEY_MAX);
        });
    }
    if let Some(more) = arguments.keys.len().checked_sub(ARG_KEYS_MAX + 1) {
        number(out, "arg_keys_more", more as u64 + 1);
    }
    maybe(out, arguments.values, |out, values| {
        raw(out, "arguments", values);
    });
    maybe(out, arguments.mac, |out, mac| {
        fingerprint(out, "args_mac", mac);
    });
}

fn write_charges(out: &mut Vec<u8>, charges: &[Charge<'_>]) {
    if charges.is_empty() {
        return;
    }
    member(out, "charges");
    list(out, charges.iter(), |out, charge| {
        out.push(b'[');
        // Never cut: another key would be another counter.
        quoted(out, charge.key, usize::MAX);
        out.push(b',');
        quoted(out, charge.amount, usize::MAX);
        out.push(b',');
        integer(out, charge.window_ms);
        out.push(b']');
    });
}

fn maybe<T>(out: &mut Vec<u8>, value: Option<T>, write: impl FnOnce(&mut Vec<u8>, T)) {
    if let Some(value) = value {
        write(out, value);
    }
}

fn list<T>(out: &mut Vec<u8>, items: impl Iterator<Item = T>, write: impl Fn(&mut Vec<u8>, T)) {
    out.push(b'[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

fn member(out: &mut Vec<u8>, name: &'static str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// A value of our own making, which needs no escape.
fn word(out: &mut Vec<u8>, name: &'static str, value: &str) {
    member(out, name);
    out.push(b'"');
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}

fn text(out: &mut Vec<u8>, name: &'static str, value: &str) {
    member(out, name);
    quoted(out, value, TEXT_MAX);
}

fn fingerprint(out: &mut Vec<u8>, name: &'static str, mac: [u8; 16]) {
    member(out, name);
    out.push(b'"');
    base64url(out, &mac);
    out.push(b'"');
}

fn number(out: &mut Vec<u8>, name: &'static str, value: u64) {
    member(out, name);
    integer(out, value);
}

/// JSON as it came. Newlines in it can only be white space between tokens; here they end a record.
fn raw(out: &mut Vec<u8>, name: &'static str, value: &RawValue) {
    member(out, name);
    out.extend(value.get().bytes().map(|byte| match byte {
        b'\n' | b'\r' => b' ',
        other => other,
    }));
}

fn integer(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0_u8; 20];
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        // The remainder is below ten.
        *slot = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
        used += 1;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

fn quoted(out: &mut Vec<u8>, value: &str, max: usize) {
    let kept = cut(value, max);
    out.push(b'"');
    escaped(out, kept);
    if kept.len() < value.len() {
        out.extend_from_slice("…".as_bytes());
    }
    out.push(b'"');
}

fn cut(value: &str, max: usize) -> &str {
    if value.len() <= max {
        return value;
    }
    value.get(..value.floor_char_boundary(max)).unwrap_or("")
}

fn escaped(out: &mut Vec<u8>, value: &str) {
    let mut rest = value.as_bytes();
    loop {
        let (plain, special) = rest.split_at(plain_length(rest));
        out.extend_from_slice(plain);
        let Some((byte, after)) = special.split_first() else {
            return;
        };
        escape(out, *byte);
        rest = after;
    }
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        control => {
            out.extend_from_slice(b"\\u00");
            crate::hex::encode_into(out, &[control]);
        }
    }
}

const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64url without padding.
fn base64url(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.chunks(3) {
        let mut three = [0; 3];
        for (to, from) in three.iter_mut().zip(chunk) {
            *to = *from;
        }
        let [a, b, c] = three;
        let bits = u32::from_be_bytes([0, a, b, c]);
        for shift in [18, 12, 6, 0].into_iter().take(chunk.len() + 1) {
            let index = (bits >> shift & 0x3f) as usize;
            out.push(BASE64URL.get(index).copied().unwrap_or(b'A'));
        }
    }
}
