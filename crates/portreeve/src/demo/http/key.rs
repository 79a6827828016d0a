//! A key for callers, where the server is to answer to one program alone.

use std::fmt;

use http::header::{AUTHORIZATION, HeaderMap, HeaderValue, InvalidHeaderValue};
use ring::digest::{SHA256, digest};

/// What a caller must send as `Authorization`.
#[derive(Clone)]
pub struct Key(HeaderValue);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// The key with this word.
    pub fn new(word: &str) -> Result<Self, InvalidHeaderValue> {
        let mut value = HeaderValue::from_str(&format!("Bearer {word}"))?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// The value of the header `Authorization`.
    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    /// Whether a request has it. Digests are compared, so that time tells nothing of the key.
    pub(super) fn is_held(&self, headers: &HeaderMap) -> bool {
        let mut sent = headers.get_all(AUTHORIZATION).iter();
        let (Some(one), None) = (sent.next(), sent.next()) else {
            return false;
        };
        let of = |value: &HeaderValue| digest(&SHA256, value.as_bytes());
        of(one).as_ref() == of(&self.0).as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_itself_opens() {
        let key = Key::new("open-sesame").unwrap();
        assert!(!format!("{key:?}").contains("sesame"));
        let sent = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().unwrap());
            }
            key.is_held(&headers)
        };
        assert!(sent(&["Bearer open-sesame"]));
        for wrong in [
            &[][..],
            &["Bearer open-sesam"],
            &["open-sesame"],
            &["Bearer open-sesame", "Bearer open-sesame"],
        ] {
            assert!(!sent(wrong), "{wrong:?}");
        }
    }
}
