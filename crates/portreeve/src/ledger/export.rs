//! Handing the book on: the records as they stand in it, so that the chain stays whole.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::Path;

use super::calls::{Filter, calls};
use super::follow::Follow;
use super::read::Record;
use super::records::ReadError;
use super::unreadable::Unreadables;

/// Why an export is not whole.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Unread(#[from] ReadError),
    #[error("the export cannot be written: {0}")]
    Unwritten(io::Error),
}

/// What became of the book's records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    pub written: u64,
    /// Left out: whoever reads the export wants records.
    pub unreadable: Unreadables,
}

/// Writes every record that can be read, or those of the matching calls. Unfiltered, what is written
/// of a book that holds can be verified like the book itself.
pub fn export(
    dir: &Path,
    filter: Option<&Filter>,
    out: &mut dyn Write,
) -> Result<Exported, ExportError> {
    let wanted = match filter {
        None => None,
        Some(filter) => Some(
            calls(dir, filter.clone())?
                .map(|call| call.map(|call| call.call_id))
                .collect::<Result<HashSet<_>, _>>()?,
        ),
    };
    let mut book = Follow::from(dir, 1);
    let mut exported = Exported::default();
    while let Some(line) = book.next_bytes()? {
        let record = match Record::parse(&line) {
            Ok(record) => record,
            Err(why) => {
                exported.unreadable.note(book.unreadable(&why));
                continue;
            }
        };
        let call_id = record.call_id.as_deref().unwrap_or_default();
        if wanted
            .as_ref()
            .is_none_or(|wanted| wanted.contains(call_id))
        {
            out.write_all(&line)
                .and_then(|()| out.write_all(b"\n"))
                .map_err(ExportError::Unwritten)?;
            exported.written += 1;
        }
    }
    Ok(exported)
}
