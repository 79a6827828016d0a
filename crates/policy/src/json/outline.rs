//! An object's own members as raw bytes, with everything below them checked but not built.
//!
//! A result of many kilobytes is read this way: what the gate must know of it stands in two or
//! three members of the outermost object.

use std::borrow::Cow;

use super::Rules;
use super::error::{JsonError, Trouble};
use super::reader::{Lead, Reader};

/// A member whose value is still text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawMember<'a> {
    pub key: Cow<'a, str>,
    /// The value's source text, without surrounding white space.
    pub value: &'a str,
    /// Where the value begins in the text that was read.
    pub at: usize,
}

/// The members of the object that fills `text`, in their order.
///
/// Duplicate keys are refused on this level only; syntax and depth are checked all the way down.
pub fn outline(text: &[u8], rules: Rules) -> Result<Vec<RawMember<'_>>, JsonError> {
    Ok(outline_with(text, rules, "")?.0)
}

/// The same, and in the same walk the members of the object that stands under `opened`, if one does.
pub fn outline_with<'a>(
    text: &'a [u8],
    rules: Rules,
    opened: &str,
) -> Result<Outlines<'a>, JsonError> {
    let mut reader = Reader::new(text)?;
    let mut within = None;
    let read = |reader: &mut Reader<'a>, key: &str| {
        let opens = !opened.is_empty() && key == opened && reader.peek() == Some(b'{');
        let depth = rules.max_depth.saturating_sub(1);
        if !opens {
            return skip_value(reader, depth);
        }
        let skip = |reader: &mut Reader<'a>, _: &str| skip_value(reader, depth.saturating_sub(1));
        within = Some(members(reader, skip)?);
        Ok(())
    };
    let outer = members(&mut reader, read)?;
    reader.finish()?;
    Ok((outer, within))
}

/// The members of an object, and of one object among them.
pub type Outlines<'a> = (Vec<RawMember<'a>>, Option<Vec<RawMember<'a>>>);

/// Reads an object's members; `read_value` walks over what stands under a key.
fn members<'a>(
    reader: &mut Reader<'a>,
    mut read_value: impl FnMut(&mut Reader<'a>, &str) -> Result<(), JsonError>,
) -> Result<Vec<RawMember<'a>>, JsonError> {
    reader.expect(b'{', "an object")?;
    reader.skip_space();
    let mut members: Vec<RawMember<'_>> = Vec::new();
    if reader.take(b'}') {
        return Ok(members);
    }
    loop {
        let member = member(reader, &mut read_value)?;
        if members.iter().any(|m| m.key == member.key) {
            let trouble = Trouble::DuplicateKey(member.key.into_owned());
            return Err(JsonError {
                trouble,
                at: member.at,
            });
        }
        members.push(member);
        if members.len() > MAX_MEMBERS {
            return Err(reader.error(Trouble::TooMany(MAX_MEMBERS)));
        }
        reader.skip_space();
        if reader.take(b'}') {
            return Ok(members);
        }
        reader.expect(b',', "`,` or `}`")?;
        reader.skip_space();
    }
}

/// Keeps the search for duplicates cheap: nobody's envelope is larger.
const MAX_MEMBERS: usize = 256;

fn member<'a>(
    reader: &mut Reader<'a>,
    read_value: &mut impl FnMut(&mut Reader<'a>, &str) -> Result<(), JsonError>,
) -> Result<RawMember<'a>, JsonError> {
    let key_at = reader.at();
    let key = reader.string()?;
    if key.contains('\0') {
        return Err(JsonError {
            trouble: Trouble::NulInKey,
            at: key_at,
        });
    }
    reader.skip_space();
    reader.expect(b':', "`:`")?;
    reader.skip_space();
    let at = reader.at();
    read_value(reader, &key)?;
    Ok(RawMember {
        key,
        value: reader.slice(at, reader.at()),
        at,
    })
}

/// Walks over one value. The stack holds one bit of kind for each open container.
fn skip_value(reader: &mut Reader<'_>, max_depth: usize) -> Result<(), JsonError> {
    let mut open: Vec<Lead> = Vec::new();
    loop {
        let lead = reader.lead()?;
        match lead {
            Lead::Object | Lead::Array => {
                if open.len() >= max_depth {
                    return Err(reader.error(Trouble::TooDeep(max_depth)));
                }
                if !enter(reader, lead)? {
                    open.push(lead);
                    continue;
                }
            }
            Lead::String => reader.skip_string()?,
            Lead::Number => {
                reader.number()?;
            }
            Lead::Word(word) => reader.word(word)?,
        }
        if leave(reader, &mut open)? {
            return Ok(());
        }
    }
}

/// Steps into a container; true if it was empty and is already behind.
fn enter(reader: &mut Reader<'_>, lead: Lead) -> Result<bool, JsonError> {
    let (opening, closing) = if lead == Lead::Object {
        (b'{', b'}')
    } else {
        (b'[', b']')
    };
    reader.expect(opening, "a container")?;
    reader.skip_space();
    if reader.take(closing) {
        return Ok(true);
    }
    if lead == Lead::Object {
        key_and_colon(reader)?;
    }
    Ok(false)
}

/// After a value: closes what ends here, or steps to the next value; true if nothing is open.
fn leave(reader: &mut Reader<'_>, open: &mut Vec<Lead>) -> Result<bool, JsonError> {
    while let Some(container) = open.last().copied() {
        reader.skip_space();
        let is_object = container == Lead::Object;
        if reader.take(if is_object { b'}' } else { b']' }) {
            open.pop();
            continue;
        }
        reader.expect(b',', "`,` or the end of the container")?;
        reader.skip_space();
        if is_object {
            key_and_colon(reader)?;
        }
        return Ok(false);
    }
    Ok(true)
}

fn key_and_colon(reader: &mut Reader<'_>) -> Result<(), JsonError> {
    reader.skip_string()?;
    reader.skip_space();
    reader.expect(b':', "`:`")?;
    reader.skip_space();
    Ok(())
}
