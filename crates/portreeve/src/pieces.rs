//! A body that arrives in pieces, made whole. One that comes in one piece is not copied.

use bytes::{Bytes, BytesMut};

/// What has arrived so far.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    first: Option<Bytes>,
    rest: BytesMut,
}

impl Pieces {
    /// Adds a piece; returns how much there is now.
    pub(crate) fn push(&mut self, piece: Bytes) -> usize {
        if self.rest.is_empty() && self.first.is_none() {
            self.first = Some(piece);
        } else {
            if let Some(begun) = self.first.take() {
                self.rest.extend_from_slice(&begun);
            }
            self.rest.extend_from_slice(&piece);
        }
        self.rest
            .len()
            .max(self.first.as_ref().map_or(0, Bytes::len))
    }

    pub(crate) fn whole(self) -> Bytes {
        self.first.unwrap_or_else(|| self.rest.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_the_whole() {
        for pieces in [&[][..], &["abc"], &["", "a"], &["ab", "", "c", "def"]] {
            let mut arrived = Pieces::default();
            let mut length = 0;
            for piece in pieces {
                length = arrived.push(Bytes::from_static(piece.as_bytes()));
            }
            let whole = arrived.whole();
            assert_eq!(whole, pieces.concat());
            assert_eq!(whole.len(), length);
        }
    }

    #[test]
    fn one_piece_is_not_copied() {
        let piece = Bytes::from(vec![7; 100]);
        let mut arrived = Pieces::default();
        arrived.push(piece.clone());
        assert_eq!(arrived.whole().as_ptr(), piece.as_ptr());
    }
}
