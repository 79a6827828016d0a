//! Values of JSON that stand in a text: all of it, one after another, or where a line begins.

use portreeve_policy::json::{Rules, Value, parse_first};

/// A text taken apart, from its front: values, and what stands between them.
pub(super) struct Parts<'t> {
    rest: &'t str,
    /// Was everything a value so far?
    pub all_read: bool,
    /// How much may still be read in vain: a text could begin something on every line that its end
    /// breaks off.
    patience: usize,
}

impl<'t> Parts<'t> {
    pub(super) const fn of(text: &'t str) -> Self {
        Self {
            rest: text,
            all_read: true,
            patience: text.len().saturating_mul(4),
        }
    }

    /// The next part, and the value that it is, if it is one. Together the parts are the text.
    pub(super) fn next(&mut self) -> Option<(&'t str, Option<Value<'t>>)> {
        if self.rest.is_empty() {
            return None;
        }
        if let Some((tree, length)) = self.value() {
            return Some((self.take(length), Some(tree)));
        }
        if self.rest.trim_start().is_empty() {
            return Some((self.take(self.rest.len()), None));
        }
        // Other text; the next line may begin a value again.
        self.all_read = false;
        let line = self.rest.find('\n').map_or(self.rest.len(), |end| end + 1);
        Some((self.take(line), None))
    }

    fn value(&mut self) -> Option<(Value<'t>, usize)> {
        if !self.rest.trim_start().starts_with(['{', '[', '"']) || self.patience == 0 {
            return None;
        }
        match parse_first(self.rest, Rules::MESSAGE) {
            Ok(read) => Some(read),
            Err(error) => {
                self.patience = self.patience.saturating_sub(error.at);
                None
            }
        }
    }

    fn take(&mut self, length: usize) -> &'t str {
        let split = self.rest.split_at_checked(length);
        let (part, rest) = split.unwrap_or((self.rest, ""));
        self.rest = rest;
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (Vec<(&str, bool)>, bool) {
        let mut parts = Parts::of(text);
        let mut all = Vec::new();
        while let Some((part, tree)) = parts.next() {
            all.push((part, tree.is_some()));
        }
        assert_eq!(all.iter().map(|(part, _)| *part).collect::<String>(), text);
        (all, parts.all_read)
    }

    #[test]
    fn values_are_found_one_after_another_and_on_lines() {
        for (text, expected, all_read) in [
            ("{} ", &[("{}", true), (" ", false)][..], true),
            ("{}\n[1]", &[("{}", true), ("\n[1]", true)], true),
            ("\"a\"{}", &[("\"a\"", true), ("{}", true)], true),
            ("", &[], true),
            ("see:\n {}", &[("see:\n", false), (" {}", true)], false),
            (
                "[1] é\n[",
                &[("[1]", true), (" é\n", false), ("[", false)],
                false,
            ),
            ("{\"a\":1,\"a\":2}", &[("{\"a\":1,\"a\":2}", false)], false),
        ] {
            assert_eq!(parts(text), (expected.to_vec(), all_read), "{text:?}");
        }
    }

    // INVARIANT: what cannot be read costs no more than reading the text a few times.
    #[test]
    fn patience_ends() {
        let open = "[1,\n".repeat(100) + &"1,\n".repeat(2_000) + "\n[2]";
        let mut text = Parts::of(&open);
        while text.next().is_some() {}
        assert_eq!(text.patience, 0);
        assert_eq!(parts("[\n[2]").0.last(), Some(&("[2]", true)));
    }
}
