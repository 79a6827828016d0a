//! The book as people read it: calls and acts in tables, calls as they end.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use portreeve_policy::time::Timestamp;
use serde::Serialize;

use super::desk::{data_dir, of_dir};
use super::doubts::{NOT_WHOLE, of_misfits, of_unreadable, told, warn, with_doubts};
use super::listing::{Cell, Listing};
use super::output::{Paint, Table, Tone, plain};
use super::{DataDirArg, Done, FormatArg, Output};
use crate::admin::{Answer, Failure};
use crate::clock::rfc3339;
use crate::data_dir::DataDir;
use crate::ledger::{
    self, BookedAct, BookedCall, BookedEntry, CallsByEnd, Filter, Found, ReadError, Settings,
    UNKNOWN, Unreadables,
};

/// How often a followed book is looked at.
const LOOK: Duration = Duration::from_millis(200);

const CALL_HEAD: [&str; 8] = [
    "TIME", "CALL", "GRANT", "SERVER", "WHAT", "OUTCOME", "RULE", "REASON",
];
/// Stands in the row of an entry that does not fit the chain.
const DOUBTED: &str = "[DOES NOT FIT THE CHAIN]";
/// How wide the columns of a followed book are at least: rows come one by one.
const CALL_WIDTHS: [usize; 8] = [24, 26, 12, 10, 20, 9, 20, 0];

/// A book to read.
pub(super) struct Book {
    pub(super) dir: DataDir,
    pub(super) ledger: PathBuf,
}

impl Book {
    pub(super) fn of(arg: &DataDirArg) -> Result<Self, Failure> {
        let dir = data_dir(arg.data_dir.as_deref())?;
        let ledger = Settings::in_data_dir(dir.path()).dir;
        if !dir.path().is_dir() {
            dir.require()
                .map_err(|error| Failure::saying(Answer::Cannot, &error))?;
        }
        if !ledger.is_dir() {
            let what = format!("there is no ledger in {}", dir.path().display());
            return Err(Failure::cannot(
                what,
                "name the data directory with --data-dir",
            ));
        }
        Ok(Self { dir, ledger })
    }

    pub(super) fn entries(&self, filter: Filter) -> Result<Found<BookedEntry>, Failure> {
        ledger::entries(&self.ledger, filter).map_err(unreadable)
    }

    pub(super) fn acts(
        &self,
        since: Option<Timestamp>,
        limit: Option<usize>,
    ) -> Result<Found<BookedAct>, Failure> {
        ledger::acts(&self.ledger, since, limit).map_err(unreadable)
    }

    /// The number of the last record.
    pub(super) fn last_seq(&self) -> Result<u64, Failure> {
        ledger::last_seq(&self.ledger).map_err(unreadable)
    }

    /// Prints the last entries and then every call that ends, until it is interrupted.
    pub(super) fn follow(&self, filter: Filter, (paint, json): (Paint, bool)) -> Done {
        let (next, acts) = (self.last_seq()?.saturating_add(1), filter.acts);
        let before = self.entries(filter)?;
        if let Some(warning) = of_misfits(&before.misfits) {
            warn(&warning);
        }
        // What ends between these two lines is in both.
        let mut printed: HashSet<String> = before.items.iter().filter_map(ended).collect();
        let mut ends = CallsByEnd::from(&self.ledger, next);
        let mut rows = Printer::new(paint, json, &before.items);
        let mut reading = rows.unreadable(&before.unreadable)? && rows.begin(&before.items)?;
        while reading {
            let entry = ends.next_entry().map_err(unreadable)?;
            reading = rows.unreadable(&ends.take_unreadable())?;
            let Some(entry) = entry else {
                std::thread::sleep(LOOK);
                continue;
            };
            if let Some(misfit) = misfit(&entry) {
                warn(&format!("the book does not fit its chain: {misfit}"));
            }
            let again = printed.remove(&name(&entry));
            let wanted = acts || matches!(entry, BookedEntry::Call(_));
            if reading && wanted && !again {
                reading = rows.print(&entry)?;
            }
        }
        Ok(Output::default().with_code(if rows.whole { 0 } else { NOT_WHOLE }))
    }
}

/// What tells an entry from every other.
fn name(entry: &BookedEntry) -> String {
    match entry {
        BookedEntry::Call(call) => call.call_id.clone(),
        BookedEntry::Act(act) => act.seq.to_string(),
    }
}

/// The name of an entry to which nothing will be added.
fn ended(entry: &BookedEntry) -> Option<String> {
    match entry {
        BookedEntry::Call(call) if call.end.outcome == UNKNOWN => None,
        entry => Some(name(entry)),
    }
}

fn misfit(entry: &BookedEntry) -> Option<&str> {
    match entry {
        BookedEntry::Call(call) => call.misfit.as_deref(),
        BookedEntry::Act(act) => act.misfit.as_deref(),
    }
}

/// Prints entries one by one.
struct Printer {
    table: Table,
    json: bool,
    /// Whether everything could be read so far.
    whole: bool,
}

impl Printer {
    fn new(paint: Paint, json: bool, before: &[BookedEntry]) -> Self {
        let mut table = Table::new(paint, CALL_HEAD).at_least(CALL_WIDTHS);
        for entry in before {
            table.row(cells(entry));
        }
        Self {
            table,
            json,
            whole: true,
        }
    }

    fn begin(&self, before: &[BookedEntry]) -> Result<bool, Failure> {
        if !self.json {
            return write(&self.table.render());
        }
        for entry in before {
            if !write(&json_line(entry)?)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Tells of what could not be read.
    fn unreadable(&mut self, unreadable: &Unreadables) -> Result<bool, Failure> {
        self.whole &= unreadable.is_empty();
        for warning in of_unreadable(unreadable) {
            warn(&warning);
        }
        for broken in unreadable.told.iter().filter(|_| self.json) {
            if !write(&json_line(broken)?)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether there is still a reader.
    fn print(&self, entry: &BookedEntry) -> Result<bool, Failure> {
        if self.json {
            write(&json_line(entry)?)
        } else {
            write(&self.table.row_alone(cells(entry)))
        }
    }
}

fn json_line(told: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(told)
        .map(|line| line + "\n")
        .map_err(|error| Failure::cannot(format!("cannot write JSON: {error}"), ""))
}

fn write(text: &str) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::cannot(format!("cannot write: {error}"), "")),
        Ok(()) => Ok(true),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
pub(super) fn unreadable(error: ReadError) -> Failure {
    Failure::saying(Answer::Cannot, &error)
}

impl Book {
    pub(super) fn listed(
        &self,
        found: &Found<BookedEntry>,
        format: &FormatArg,
        paint: Paint,
    ) -> Done {
        const ENTRIES: Listing<8> = Listing {
            head: CALL_HEAD,
            nothing: "no calls",
        };
        let listed = if format.json {
            Output::json(&told(found, seq))?
        } else if found.items.is_empty() {
            let of_dir = of_dir(self.dir.path());
            Output::text(format!(
                "no calls; what people changed is in `portreeve ledger acts{of_dir}`\n"
            ))
        } else {
            ENTRIES.show(&found.items, (format, paint), cells)?
        };
        Ok(with_doubts(listed, found))
    }
}

fn seq(entry: &BookedEntry) -> u64 {
    match entry {
        BookedEntry::Call(call) => call.seq,
        BookedEntry::Act(act) => act.seq,
    }
}

fn cells(entry: &BookedEntry) -> [Cell; 8] {
    match entry {
        BookedEntry::Call(call) => call_cells(call),
        BookedEntry::Act(act) => act_cells(act),
    }
}

fn call_cells(call: &BookedCall) -> [Cell; 8] {
    let tone = match call.end.outcome.as_str() {
        "allow" => Tone::Good,
        "deny" | "hide" | "failed" => Tone::Bad,
        _ => Tone::Waiting,
    };
    [
        plain(rfc3339(call.at)),
        plain(&call.call_id),
        plain(&call.grant),
        plain(call.server.as_deref().unwrap_or("-")),
        plain(what(call)),
        (call.end.outcome.clone(), tone),
        plain(&call.rule),
        plain(doubted(reason(call), call.misfit.as_deref())),
    ]
}

/// An act among calls: who did it, in the place of the reason.
fn act_cells(act: &BookedAct) -> [Cell; 8] {
    let (who, detail) = (&act.actor, shortened(detail(act)));
    let told = format!("by {who} {detail}");
    [
        plain(rfc3339(act.at)),
        plain("-"),
        plain("-"),
        plain("-"),
        plain(format!("{} {}", act.act, act.subject)),
        plain("act"),
        plain(""),
        plain(doubted(told.trim_end().to_owned(), act.misfit.as_deref())),
    ]
}

fn doubted(told: String, misfit: Option<&str>) -> String {
    match misfit {
        None => told,
        Some(_) if told.is_empty() => DOUBTED.to_owned(),
        Some(_) => format!("{DOUBTED} {told}"),
    }
}

fn what(call: &BookedCall) -> String {
    match (&call.tool, &call.target) {
        (Some(tool), _) => tool.clone(),
        (None, Some(target)) => format!("{} {target}", call.method),
        (None, None) => call.method.clone(),
    }
}

/// Why it ended so, and what a policy that is being tried would have said.
fn reason(call: &BookedCall) -> String {
    let reason = call.end.reason.as_deref().unwrap_or_default();
    let Some(shadow) = &call.shadow else {
        return reason.to_owned();
    };
    let (policy, outcome, rule) = (&shadow.policy, &shadow.outcome, &shadow.rule);
    let said = format!("[shadow {policy}: {outcome} {rule}]");
    if reason.is_empty() {
        said
    } else {
        format!("{reason} {said}")
    }
}

pub(super) fn acts_listed(found: &Found<BookedAct>, format: &FormatArg, paint: Paint) -> Done {
    const ACTS: Listing<5> = Listing {
        head: ["TIME", "WHO", "ACT", "SUBJECT", "DETAIL"],
        nothing: "no acts",
    };
    if format.json {
        let listed = Output::json(&told(found, |act| act.seq))?;
        return Ok(with_doubts(listed, found));
    }
    let listed = ACTS.show(&found.items, (format, paint), |act| {
        let detail = shortened(detail(act));
        [
            plain(rfc3339(act.at)),
            plain(&act.actor),
            plain(&act.act),
            plain(&act.subject),
            plain(doubted(detail, act.misfit.as_deref())),
        ]
    })?;
    Ok(with_doubts(listed, found))
}

fn detail(act: &BookedAct) -> &str {
    act.detail.as_ref().map_or("", |detail| detail.get())
}

/// The beginning of a text that may be long; `--json` has the whole.
fn shortened(text: &str) -> String {
    const WIDTH: usize = 80;
    if text == "{}" {
        return String::new();
    }
    match text.char_indices().nth(WIDTH) {
        None => text.to_owned(),
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + "…",
    }
}
