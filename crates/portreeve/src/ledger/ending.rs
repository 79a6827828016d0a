//! Calls as they end: a growing book, followed call by call.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::calls::{BookedCall, CallEnd, Filter, owned, query};
use super::export::Follow;
use super::read::{Phase, Record};
use super::records::ReadError;

/// Follows a book as it grows, and hands out every call that ends.
#[derive(Debug)]
pub struct CallsByEnd {
    dir: PathBuf,
    follow: Follow,
    /// Calls that were begun and are under way.
    begun: HashMap<String, BookedCall>,
}

impl CallsByEnd {
    /// Those whose end is record `next` or a later one.
    pub fn from(dir: &Path, next: u64) -> Self {
        Self {
            dir: dir.to_owned(),
            follow: Follow::from(dir, next),
            begun: HashMap::new(),
        }
    }

    /// The next call that ended; `None` if none has yet.
    pub fn next_call(&mut self) -> Result<Option<BookedCall>, ReadError> {
        while let Some(line) = self.follow.next_line()? {
            let record = Record::parse(line.as_bytes()).map_err(|error| ReadError::Damaged {
                segment: "the followed segment".to_owned(),
                seq: self.follow.next_seq().saturating_sub(1),
                what: error.to_string(),
            })?;
            if let Some(call) = self.ended(&record)? {
                return Ok(Some(call));
            }
        }
        Ok(None)
    }

    fn ended(&mut self, record: &Record<'_>) -> Result<Option<BookedCall>, ReadError> {
        let call_id = owned(record.call_id.as_deref());
        match record.phase {
            Phase::Begin => {
                let call = BookedCall::of(record, CallEnd::unknown());
                self.begun.insert(call_id, call);
                Ok(None)
            }
            Phase::Finish if record.is_refusal() => {
                Ok(Some(BookedCall::of(record, CallEnd::of(record))))
            }
            Phase::Finish => match self.begun.remove(&call_id) {
                Some(call) => {
                    let end = CallEnd::of(record);
                    Ok(Some(BookedCall { end, ..call }))
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
