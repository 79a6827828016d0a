//! Selectors as they are written: which names a rule set is about.

use super::node::not_yet;

/// Reads a selector that must be an exact name; the error says why it is none.
pub(super) fn exact_name(selector: &str) -> Result<String, String> {
    if let Some(literal) = selector.strip_prefix("\\@") {
        return Ok(format!("@{literal}"));
    }
    if selector.is_empty() {
        return Err("a name is never empty".to_owned());
    }
    if selector.starts_with('@') {
        return Err(format!(
            "{}; a literal name that begins with @ is written \"\\\\{selector}\"",
            not_yet("@ class selectors")
        ));
    }
    if selector.contains(['*', '?']) {
        return Err(not_yet("selectors with * or ?"));
    }
    Ok(selector.to_owned())
}
