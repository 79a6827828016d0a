//! Where the lists of several servers go on, as one cursor: sealed, so that a client cannot make
//! one up, and bound to the grant and the list it was given for.

use std::collections::BTreeMap;

use crate::base64;
use crate::keys::Keys;
use crate::name::Label;

/// How long a server's cursor may be, and how much all of them together. Beyond that a list ends,
/// and says so.
pub(super) const MAX_ONE: usize = 4 * 1024;
pub(super) const MAX_ALL: usize = 512 * 1024;

/// The cursor that the client sees.
pub(super) fn seal(
    keys: &Keys,
    grant: &Label,
    method: &str,
    cursors: &BTreeMap<String, String>,
) -> Option<String> {
    let text = serde_json::to_vec(cursors).ok()?;
    let sealed = keys.seal(&belongs_to(grant, method), &text).ok()?;
    Some(base64::encode(&sealed))
}

/// The servers' own cursors, if it is one of ours for this list of this grant.
pub(super) fn open(
    keys: &Keys,
    grant: &Label,
    method: &str,
    cursor: &str,
) -> Option<BTreeMap<String, String>> {
    let sealed = base64::decode(cursor)?;
    let text = keys.open(&belongs_to(grant, method), &sealed).ok()?;
    serde_json::from_slice(&text).ok()
}

fn belongs_to(grant: &Label, method: &str) -> Vec<u8> {
    // No label has a line break.
    format!("joint cursor\n{grant}\n{method}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_for_its_list_and_grant_only() {
        let dir = tempfile::tempdir().expect("a directory");
        let keys = Keys::load_or_create(dir.path()).expect("a key");
        let label = |text| Label::new(text).expect("a label");
        let cursors = BTreeMap::from([("a".to_owned(), "2\n".to_owned())]);
        let sealed = seal(&keys, &label("g"), "tools/list", &cursors).expect("sealed");
        let opened = |grant, method, text: &str| open(&keys, &label(grant), method, text);
        assert_eq!(opened("g", "tools/list", &sealed), Some(cursors));
        assert_eq!(opened("h", "tools/list", &sealed), None);
        assert_eq!(opened("g", "prompts/list", &sealed), None);
        for bad in ["", "x", "AAAA", sealed.trim_start_matches('A')] {
            assert_eq!(
                opened("g", "tools/list", bad).is_some(),
                bad == sealed,
                "{bad}"
            );
        }
    }
}
