//! The seal that protects secrets at rest; the keys are kept elsewhere.

use std::fmt;

use crate::keys::Keys;

/// The seal could not be made or does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the seal does not fit")]
pub struct SealError;

/// Seals and opens. What is sealed under one `aad` opens under no other.
pub trait Sealer: fmt::Debug + Send + Sync {
    fn seal(&self, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError>;
    fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError>;
}

impl Sealer for Keys {
    fn seal(&self, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        Keys::seal(self, aad, plain).map_err(|_| SealError)
    }

    fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        Keys::open(self, aad, sealed).map_err(|_| SealError)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{SealError, Sealer};

    /// Keeps no secret, but opens only under the `aad` it sealed under.
    #[derive(Debug)]
    pub(crate) struct Masking(pub(crate) u8);

    impl Sealer for Masking {
        fn seal(&self, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
            let masked = plain.iter().map(|byte| byte ^ self.0);
            Ok([&aad.len().to_be_bytes(), aad]
                .concat()
                .into_iter()
                .chain(masked)
                .collect())
        }

        fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
            let head = [&aad.len().to_be_bytes(), aad].concat();
            let masked = sealed.strip_prefix(head.as_slice()).ok_or(SealError)?;
            let plain: Vec<u8> = masked.iter().map(|byte| byte ^ self.0).collect();
            if plain.is_ascii() {
                Ok(plain)
            } else {
                Err(SealError)
            }
        }
    }
}
