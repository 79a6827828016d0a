//! As much of the ustar format as a backup needs: regular files with short names.
//!
//! Reading is strict: anything that writing here does not produce is refused.

use std::io::{self, Read, Write};

const BLOCK: usize = 512;
const NAME_MAX: usize = 100;
/// Eleven octal digits.
const SIZE_MAX: u64 = 0o777_7777_7777;

/// The header of a file, or nothing if the name or the size does not fit.
fn header(name: &str, size: u64) -> Option<[u8; BLOCK]> {
    if name.is_empty() || name.len() > NAME_MAX || size > SIZE_MAX {
        return None;
    }
    let mut block = [0; BLOCK];
    put(&mut block, 0, name.as_bytes());
    put(&mut block, 100, b"0000600\0");
    put(&mut block, 108, b"0000000\0");
    put(&mut block, 116, b"0000000\0");
    put(&mut block, 124, format!("{size:011o}\0").as_bytes());
    put(&mut block, 136, b"00000000000\0");
    put(&mut block, 156, b"0");
    put(&mut block, 257, b"ustar\x0000");
    let sum = checksum(&block);
    put(&mut block, 148, format!("{sum:06o}\0 ").as_bytes());
    Some(block)
}

fn put(block: &mut [u8; BLOCK], at: usize, bytes: &[u8]) {
    for (to, from) in block.iter_mut().skip(at).zip(bytes) {
        *to = *from;
    }
}

/// The sum of all bytes, with blanks in the place of the sum.
fn checksum(block: &[u8; BLOCK]) -> u64 {
    let blank = |(at, byte): (usize, &u8)| {
        let counted = if (148..156).contains(&at) {
            b' '
        } else {
            *byte
        };
        u64::from(counted)
    };
    block.iter().enumerate().map(blank).sum()
}

fn padding(size: u64) -> usize {
    let over = usize::try_from(size % BLOCK as u64).unwrap_or_default();
    (BLOCK - over) % BLOCK
}

/// Begins a file; its `size` bytes follow, then [`end_file`]. `false`: it cannot be held.
pub(super) fn begin_file(to: &mut impl Write, name: &str, size: u64) -> io::Result<bool> {
    match header(name, size) {
        Some(block) => to.write_all(&block).map(|()| true),
        None => Ok(false),
    }
}

/// Fills the last block of a file.
pub(super) fn end_file(to: &mut impl Write, size: u64) -> io::Result<()> {
    let zeros = [0; BLOCK];
    to.write_all(zeros.get(..padding(size)).unwrap_or_default())
}

/// Two empty blocks end an archive.
pub(super) fn end(to: &mut impl Write) -> io::Result<()> {
    to.write_all(&[0; 2 * BLOCK])
}

/// What comes next in an archive.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    File { name: String, size: u64 },
    End,
}

/// Reads the next header.
pub(super) fn next(from: &mut impl Read) -> io::Result<Next> {
    let mut block = [0; BLOCK];
    from.read_exact(&mut block)?;
    if block.iter().all(|byte| *byte == 0) {
        return Ok(Next::End);
    }
    let strange = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let name = text(&block, 0, NAME_MAX).ok_or_else(|| strange("a name is not text"))?;
    let size = text(&block, 124, 11)
        .and_then(|octal| u64::from_str_radix(&octal, 8).ok())
        .ok_or_else(|| strange("a size is not a number"))?;
    match header(&name, size) {
        // INVARIANT: only what was written by `header` is read; links, devices and the like are not.
        Some(written) if written == block => Ok(Next::File { name, size }),
        _ => Err(strange("a header is not as portreeve writes it")),
    }
}

fn text(block: &[u8; BLOCK], at: usize, max: usize) -> Option<String> {
    let field = block.get(at..)?.get(..max)?;
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(max);
    String::from_utf8(field.get(..end)?.to_vec()).ok()
}

/// Skips what fills a file's last block; it must be empty.
pub(super) fn skip_padding(from: &mut impl Read, size: u64) -> io::Result<()> {
    let mut block = [0; BLOCK];
    let fill = block.get_mut(..padding(size)).unwrap_or_default();
    from.read_exact(fill)?;
    if fill.iter().all(|byte| *byte == 0) {
        Ok(())
    } else {
        let why = "there is something between the files";
        Err(io::Error::new(io::ErrorKind::InvalidData, why))
    }
}
