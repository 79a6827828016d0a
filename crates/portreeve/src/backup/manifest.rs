//! The list at the end of a backup: what is in it, and how to know that it is whole.

use std::io::{self, Read, Write};

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use crate::hex;

pub(super) const NAME: &str = "manifest.json";
pub(super) const FORMAT: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) format: u32,
    pub(super) files: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) sha256: String,
}

/// Copies exactly `size` bytes and returns their hash; fewer are an error.
pub(super) fn copy_hashed(
    from: &mut impl Read,
    to: &mut impl Write,
    size: u64,
) -> io::Result<String> {
    let mut hash = Context::new(&SHA256);
    let mut left = size;
    let mut buffer = vec![0; 64 * 1024];
    while left > 0 {
        let want = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let room = buffer.get_mut(..want).unwrap_or_default();
        let got = from.read(room)?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let bytes = room.get(..got).unwrap_or_default();
        hash.update(bytes);
        to.write_all(bytes)?;
        left = left.saturating_sub(got as u64);
    }
    Ok(hex::encode(hash.finish().as_ref()))
}
