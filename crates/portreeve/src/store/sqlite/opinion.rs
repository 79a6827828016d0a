//! How what is thought of a tool is written in its pin's row, and read back.
//!
//! A word that this version does not know makes the whole nature unknown: every rule that restricts
//! by nature is then about the tool.

use portreeve_policy::{Bit, Bits, Class, Classes};
use rusqlite::{Connection, Row, params};

use crate::store::StoreError;
use crate::store::model::{Nature, Opinion, PinnedOpinion};

pub(super) const COLUMNS: &str = "class, also, bits, judge, held";

/// Reads the five columns that begin at `first`.
pub(super) fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Opinion> {
    let class: Option<String> = row.get(first)?;
    let also: Option<String> = row.get(first + 1)?;
    let bits: Option<String> = row.get(first + 2)?;
    Ok(Opinion {
        nature: nature(class.as_deref(), also.as_deref(), bits.as_deref()),
        judge: row.get(first + 3)?,
        held: row.get(first + 4)?,
    })
}

fn nature(class: Option<&str>, also: Option<&str>, bits: Option<&str>) -> Option<Nature> {
    let class = Class::from_word(class?)?;
    let also: Classes = words(also.unwrap_or_default(), Class::from_word)?;
    let bits: Option<Bits> = match bits {
        Some(bits) => Some(words(bits, Bit::from_word)?),
        None => None,
    };
    Some(Nature { class, also, bits })
}

/// All words of the text, or nothing if one of them is not known.
fn words<T, S: FromIterator<T>>(text: &str, read: impl Fn(&str) -> Option<T>) -> Option<S> {
    text.split_whitespace().map(read).collect()
}

/// The three columns of a nature.
pub(super) struct Written {
    pub(super) class: Option<&'static str>,
    pub(super) also: Option<String>,
    pub(super) bits: Option<String>,
}

pub(super) fn write(nature: Option<Nature>) -> Written {
    let joined = |words: Vec<&'static str>| words.join(" ");
    Written {
        class: nature.map(|known| known.class.as_str()),
        also: nature.map(|known| joined(known.also.iter().map(Class::as_str).collect())),
        bits: nature
            .and_then(|known| known.bits)
            .map(|bits| joined(bits.iter().map(Bit::as_str).collect())),
    }
}

/// Stores what is thought of a definition, if its tool is pinned with it.
pub(super) fn put(db: &Connection, of: &PinnedOpinion) -> Result<(), StoreError> {
    let Written { class, also, bits } = write(of.opinion.nature);
    db.prepare_cached(
        "UPDATE pins SET class = ?4, also = ?5, bits = ?6, judge = ?7, held = ?8
         WHERE server = ?1 AND tool = ?2 AND hash = ?3",
    )?
    .execute(params![
        of.server,
        of.tool,
        of.hash,
        class,
        also,
        bits,
        of.opinion.judge,
        of.opinion.held
    ])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_is_not_known() {
        let read = |class, also, bits| nature(class, also, bits);
        assert_eq!(read(None, Some("read"), Some("egress")), None);
        assert_eq!(read(Some("reading"), None, None), None);
        assert_eq!(read(Some("read"), Some("write maybe"), None), None);
        assert_eq!(read(Some("read"), None, Some("egress wet")), None);
        let known = read(Some("read"), Some(""), Some("")).expect("known");
        assert_eq!(known.bits, Some(Bits::NONE), "known to have none");
        assert_eq!(read(Some("read"), None, None).expect("known").bits, None);
    }
}
