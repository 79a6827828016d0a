//! Calls as they end, and acts: a growing book, followed entry by entry.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::acts::BookedAct;
use super::calls::{BookedCall, BookedEntry, CallEnd, Filter, owned, query};
use super::chain::{Head, Seal};
use super::follow::Follow;
use super::misfit::{Misfit, joined};
use super::read::{Phase, Record};
use super::records::ReadError;
use super::unreadable::Unreadables;

/// Follows a book as it grows, and hands out every call that ends.
#[derive(Debug)]
pub struct CallsByEnd {
    dir: PathBuf,
    follow: Follow,
    /// Calls that were begun and are under way.
    begun: HashMap<String, BookedCall>,
    /// What the next record must continue, once it is known.
    before: Option<Head>,
    unreadable: Unreadables,
}

impl CallsByEnd {
    /// Those whose end is record `next` or a later one.
    pub fn from(dir: &Path, next: u64) -> Self {
        Self {
            dir: dir.to_owned(),
            follow: Follow::from(dir, next),
            begun: HashMap::new(),
            before: None,
            unreadable: Unreadables::default(),
        }
    }

    /// The next call that ended; `None` if none has yet.
    pub fn next_call(&mut self) -> Result<Option<BookedCall>, ReadError> {
        while let Some(entry) = self.next_entry()? {
            if let BookedEntry::Call(call) = entry {
                return Ok(Some(*call));
            }
        }
        Ok(None)
    }

    /// The next call that ended, or act; `None` if there is none yet. Goes past what cannot be read.
    pub fn next_entry(&mut self) -> Result<Option<BookedEntry>, ReadError> {
        while let Some(line) = self.follow.next_line()? {
            let record = match Record::parse(line.as_bytes()) {
                Ok(record) => record,
                Err(why) => {
                    self.unreadable.note(self.follow.unreadable(&why));
                    self.before = Seal::read(line.as_bytes()).map(|seal| seal.head());
                    continue;
                }
            };
            let misfit = self.misfit(&line, &record);
            if record.phase == Phase::Admin {
                return Ok(Some(BookedEntry::Act(BookedAct::of(&record, misfit))));
            }
            if let Some(call) = self.ended(&record, misfit)? {
                return Ok(Some(BookedEntry::Call(Box::new(call))));
            }
        }
        Ok(None)
    }

    /// What could not be read since this was asked for last.
    pub fn take_unreadable(&mut self) -> Unreadables {
        std::mem::take(&mut self.unreadable)
    }

    fn misfit(&mut self, line: &str, record: &Record<'_>) -> Option<String> {
        let judged = joined(line.as_bytes(), self.before);
        self.before = Some(Head {
            seq: record.seq,
            hash: record.hash,
        });
        let misfit = Misfit::new(record.seq, &self.follow.segment(), judged.err()?);
        Some(misfit.to_string())
    }

    fn ended(
        &mut self,
        record: &Record<'_>,
        misfit: Option<String>,
    ) -> Result<Option<BookedCall>, ReadError> {
        let call_id = owned(record.call_id.as_deref());
        match record.phase {
            Phase::Begin => {
                let mut call = BookedCall::of(record, CallEnd::unknown());
                call.misfit = misfit;
                self.begun.insert(call_id, call);
                Ok(None)
            }
            Phase::Finish if record.is_refusal() => {
                let mut call = BookedCall::of(record, CallEnd::of(record));
                call.misfit = misfit;
                Ok(Some(call))
            }
            Phase::Finish => match self.begun.remove(&call_id) {
                Some(call) => {
                    let misfit = call.misfit.or(misfit);
                    let end = CallEnd::of(record);
                    Ok(Some(BookedCall {
                        end,
                        misfit,
                        ..call
                    }))
                }
                None => self.begun_before(call_id),
            },
            Phase::Admin | Phase::Checkpoint => Ok(None),
        }
    }

    /// A call that was under way when the following began.
    fn begun_before(&self, call_id: String) -> Result<Option<BookedCall>, ReadError> {
        let filter = Filter {
            call_id: Some(call_id),
            limit: Some(1),
            ..Filter::default()
        };
        Ok(query(&self.dir, filter)?.pop())
    }
}
