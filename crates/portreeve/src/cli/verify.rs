//! `portreeve ledger verify`: reads only, so that it judges a copy on a medium nobody can write to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use super::anchor_file::Asked;
use super::book::{Book, unreadable};
use super::desk::{block_on, of_dir};
use super::output::{Paint, Tone, printable};
use super::{Done, FormatArg, Output};
use crate::admin::{Answer, Failure};
use crate::clock::rfc3339;
use crate::data_dir::DataDir;
use crate::keys::{Keys, PublicKey};
use crate::ledger::{self, Anchors, KnownAnchor, Report, SecondPlace, StoreAnchors, Verification};
use crate::store::sqlite::SqliteStore;
use crate::store::{Store, StoreError};

pub(super) fn verify(
    book: &Book,
    anchor_file: Option<PathBuf>,
    format: &FormatArg,
    paint: Paint,
) -> Done {
    // While nobody writes, all of it is judged; if a gate does, only what was whole when this began.
    let settled = book.dir.settled();
    let through = match settled {
        Some(_) => None,
        None => Some(book.last_seq()?),
    };
    let witnesses = block_on(Witnesses::of(&book.dir, anchor_file))?;
    let verification = Verification {
        dir: &book.ledger,
        keys: &[witnesses.key],
        known: &witnesses.known,
        through,
    };
    let report = ledger::verify(&verification).map_err(unreadable)?;
    let output = if format.json {
        told(&report, &witnesses)?
    } else {
        let said = said(&report, &witnesses, paint);
        match &report.fault {
            Some(_) => said.remark(&what_now(book, &report)?),
            None => said,
        }
    };
    Ok(if report.holds() && witnesses.doubts().is_empty() {
        output
    } else {
        output.with_code(1)
    })
}

/// What a broken book leaves open, and what its keeper can do.
fn what_now(book: &Book, report: &Report) -> Result<String, Failure> {
    let (last, fits) = (book.last_seq()?, report.head.seq);
    let behind = if last > fits {
        format!(
            "note: records {} to {last} were not looked at any further\n",
            fits + 1
        )
    } else {
        String::new()
    };
    let of_dir = of_dir(book.dir.path());
    Ok(format!(
        "{behind}to do: keep a copy of {}, and put the ledger back from a backup; without one `portreeve \
         up{of_dir}` says how much going on would give up",
        book.ledger.display()
    ))
}

/// What stands against the book.
struct Witnesses {
    /// The key that may have signed.
    key: PublicKey,
    /// Every anchor known outside of the book.
    known: Vec<KnownAnchor>,
    /// Places that could not be asked, and why.
    unread: Vec<Unread>,
    /// The file that was named on the command line.
    asked: Option<Asked>,
}

struct Unread {
    place: String,
    why: String,
}

impl Witnesses {
    async fn of(dir: &DataDir, anchor_file: Option<PathBuf>) -> Result<Self, Failure> {
        let cannot = |error: &dyn std::fmt::Display| Failure::saying(Answer::Cannot, &error);
        require(&dir.path().join("key"), "its key")?;
        let keys = Arc::new(Keys::load(dir.path()).map_err(|error| cannot(&error))?);
        let mut witnesses = Self {
            key: keys.public_key(),
            known: Vec::new(),
            unread: Vec::new(),
            asked: None,
        };
        let sealer = Arc::clone(&keys) as Arc<dyn crate::store::Sealer>;
        match SqliteStore::open_to_read(&dir.database(), sealer) {
            Ok(store) => {
                let store = Arc::new(store) as Arc<dyn Store>;
                witnesses.ask(Arc::new(StoreAnchors::new(store))).await;
            }
            Err(error) => witnesses.unread.push(Unread {
                place: "the store".to_owned(),
                why: describe(&error),
            }),
        }
        if let Some(path) = anchor_file {
            require(&path, "the anchor file")?;
            let asked = Asked::read(&path);
            if asked.is_readable() {
                witnesses.ask(SecondPlace::File(path).open()).await;
            }
            witnesses.asked = Some(asked);
        }
        Ok(witnesses)
    }

    /// What the book should have been held against, and was not.
    ///
    /// INVARIANT: an anchor that should be there and cannot be asked is a doubt, never a yes
    /// (`a_copy_whose_database_cannot_be_read_is_verified_with_what_is_there`).
    fn doubts(&self) -> Vec<String> {
        let unread = self.unread.iter();
        let mut doubts: Vec<String> = unread
            .map(|unread| format!("the anchors in {}", unread.place))
            .collect();
        if self.asked.as_ref().and_then(Asked::doubt).is_some() {
            doubts.push("the anchor file that was asked for".to_owned());
        }
        doubts
    }

    async fn ask(&mut self, place: Arc<dyn Anchors>) {
        match KnownAnchor::all(std::slice::from_ref(&place)).await {
            Ok(known) => self.known.extend(known),
            Err(error) => self.unread.push(Unread {
                place: error.place,
                why: error.reason,
            }),
        }
    }
}

fn describe(error: &StoreError) -> String {
    match error {
        StoreError::Open { why, .. } => why.clone(),
        other => other.to_string(),
    }
}

fn require(path: &Path, what: &str) -> Result<(), Failure> {
    if path.exists() {
        return Ok(());
    }
    let message = format!("{what} is missing: there is no {}", path.display());
    Err(Failure::cannot(
        message,
        "restore it from a backup; without it nothing can be proven",
    ))
}

impl Unread {
    /// What is missing, and what that means for the verdict.
    fn said(&self, report: &Report) -> String {
        let Self { place, why } = self;
        let reach = match &report.anchored {
            None => "whether records were cut off at the end cannot be ruled out".to_owned(),
            Some(known) => format!(
                "whether records were cut off after record {} cannot be ruled out",
                known.anchor.head.seq
            ),
        };
        format!(
            "NOT ASKED: the anchors in {place} cannot be read ({why}): {reach}. Put it back from a backup, \
             or verify where it is"
        )
    }
}

fn said(report: &Report, witnesses: &Witnesses, paint: Paint) -> Output {
    let doubt = witnesses.asked.as_ref().and_then(Asked::doubt);
    let doubts = witnesses.doubts();
    let tone = match (report.holds(), doubts.is_empty()) {
        (true, true) => Tone::Good,
        (true, false) => Tone::Waiting,
        (false, _) => Tone::Bad,
    };
    let text = report.to_string();
    // A broken book begins with that; of another the last line is the verdict.
    let (findings, verdict) = if report.holds() {
        let (findings, verdict) = text.trim_end().rsplit_once('\n').unwrap_or(("", &text));
        (findings, verdict.to_owned())
    } else {
        let (verdict, findings) = text.trim_end().split_once('\n').unwrap_or((&text, ""));
        (findings, paint.tone(tone, verdict))
    };
    let mut lines = Vec::new();
    if !report.holds() {
        lines.push(verdict.clone());
    }
    lines.push(findings.to_owned());
    for unread in &witnesses.unread {
        lines.push(paint.tone(Tone::Waiting, &printable(&unread.said(report))));
    }
    if let Some(asked) = &witnesses.asked {
        let tone = doubt.as_ref().map_or(Tone::Plain, |_| Tone::Waiting);
        lines.push(paint.tone(tone, &printable(&asked.said())));
    }
    if report.holds() {
        let verdict = match doubts.as_slice() {
            [] => verdict,
            doubts => format!("{verdict}, but not against {}", doubts.join(" and ")),
        };
        lines.push(paint.tone(tone, &verdict));
    }
    Output::text(lines.join("\n") + "\n")
}

fn told(report: &Report, witnesses: &Witnesses) -> Result<Output, Failure> {
    Output::json(&json!({
        "holds": report.holds(),
        "not_held_against": witnesses.doubts(),
        "records": report.records,
        "segments": report.segments,
        "checkpoints": report.checkpoints,
        "first": report.first,
        "last": report.head.seq,
        "hash": report.head.hash.to_string(),
        "signed_through": report.signed_through,
        "anchored": report.anchored.as_ref().map(|known| json!({
            "place": known.place,
            "seq": known.anchor.head.seq,
            "at": rfc3339(known.anchor.at),
        })),
        "notes": report.notes,
        "anchor_file": witnesses.asked.as_ref().map(Asked::told),
        "unread": witnesses.unread.iter().map(|unread| json!({
            "place": unread.place,
            "why": unread.why,
            "text": unread.said(report),
        })).collect::<Vec<_>>(),
        "fault": report.fault.as_ref().map(|fault| json!({
            "seq": fault.seq,
            "segment": fault.segment,
            "line": fault.line,
            "text": fault.to_string(),
        })),
    }))
}
