//! A value of the document with its pointer, and the questions every reader asks of one.

use super::selector::{NoSelector, Selector};
use crate::json::{Kind, Value};
use crate::keys::Keys;
use crate::limits::window;
use crate::meant;
use crate::path::Path;
use crate::problem::{Pointer, Problems, probably};

/// One value and where it stands.
#[derive(Clone)]
pub(super) struct Node<'v> {
    pub(super) value: &'v Value<'v>,
    pub(super) pointer: Pointer,
}

/// Where the schema belongs that an author wants to have named in the document.
const OF_THE_EDITOR: &str = "; tell the editor in its settings which schema these files have \
                             (`portreeve policy schema` prints it)";

impl<'v> Node<'v> {
    pub(super) fn at(&self) -> usize {
        self.value.span.start as usize
    }

    /// The member `key`, or the object itself if it has none.
    pub(super) fn member(&self, key: &str) -> Self {
        self.value.get(key).map_or_else(
            || self.clone(),
            |value| Node {
                value,
                pointer: self.pointer.key(key),
            },
        )
    }

    pub(super) fn error(&self, problems: &mut Problems<'_>, message: impl Into<String>) {
        problems.error(&self.pointer, self.at(), message);
    }

    pub(super) fn warning(&self, problems: &mut Problems<'_>, message: impl Into<String>) {
        problems.warning(&self.pointer, self.at(), message);
    }

    /// An error about a value that should be `word`.
    pub(super) fn instead(&self, problems: &mut Problems<'_>, message: &str, word: &str) {
        problems.suggesting(&self.pointer, self.at(), message.to_owned(), word);
    }

    pub(super) fn expected(&self, problems: &mut Problems<'_>, wanted: &str) {
        let found = self.value.type_name();
        self.error(problems, format!("{wanted} is expected here, not {found}"));
    }

    pub(super) fn text(&self, problems: &mut Problems<'_>) -> Option<&'v str> {
        if let Kind::String(text) = &self.value.kind {
            return Some(text);
        }
        self.expected(problems, "a string");
        None
    }

    /// A string that is one of `words`; `what` names the thing in the message.
    pub(super) fn word(
        &self,
        problems: &mut Problems<'_>,
        what: &str,
        words: &[&str],
    ) -> Option<&'v str> {
        let text = self.text(problems)?;
        if words.contains(&text) {
            return Some(text);
        }
        let message = format!("{text:?} is no {what}; it is one of {}", listed(words));
        problems.bad_word(&self.pointer, self.at(), message, (text, words));
        None
    }

    pub(super) fn flag(&self, problems: &mut Problems<'_>) -> Option<bool> {
        let flag = self.value.as_bool();
        if flag.is_none() {
            self.expected(problems, "true or false");
        }
        flag
    }

    /// A span of time in milliseconds, between bounds.
    pub(super) fn span(
        &self,
        problems: &mut Problems<'_>,
        what: &str,
        (least, most): (u64, u64),
    ) -> Option<u64> {
        let Some(millis) = window::span(self.value) else {
            let message = format!(
                "{what} is a text as in \"90s\", \"15m\", \"6h\", \"30d\", or a number of seconds"
            );
            self.no_span(problems, &message);
            return None;
        };
        if (least..=most).contains(&millis) {
            return Some(millis);
        }
        let (least, most) = (window::wait_in_words(least), window::wait_in_words(most));
        self.error(
            problems,
            format!("{what} is at least {least} and at most {most}"),
        );
        None
    }

    /// An error about what should be a span of time, with the one that was probably meant.
    pub(super) fn no_span(&self, problems: &mut Problems<'_>, message: &str) {
        let text = self.value.as_str();
        // What was read rightly and is too long is not what is meant instead.
        match text
            .and_then(window::meant)
            .filter(|span| text != Some(span))
        {
            Some(span) => self.instead(problems, message, &span),
            None => self.error(problems, message),
        }
    }

    /// A path; one whose root is called otherwise elsewhere is told with ours.
    pub(super) fn path(&self, problems: &mut Problems<'_>) -> Option<Path> {
        let text = self.text(problems)?;
        match Path::parse(text) {
            Ok(path) => Some(path),
            Err(message) => {
                match meant::path(text).filter(|path| Path::parse(path).is_ok()) {
                    Some(path) => self.instead(problems, &message, &path),
                    None => self.error(problems, message),
                }
                None
            }
        }
    }

    /// The selector that `text`, which stands here, is.
    pub(super) fn selector(&self, text: &str, problems: &mut Problems<'_>) -> Option<Selector> {
        self.selector_at(self.at(), text, problems)
    }

    /// The selector that is the key of what stands here.
    pub(super) fn selector_at(
        &self,
        at: usize,
        text: &str,
        problems: &mut Problems<'_>,
    ) -> Option<Selector> {
        match Selector::read(text) {
            Ok(selector) => Some(selector),
            Err(NoSelector { message, words }) => {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                problems.bad_word(&self.pointer, at, message, (text, &words));
                None
            }
        }
    }

    pub(super) fn elements(&self, problems: &mut Problems<'_>) -> Vec<Self> {
        let Some(elements) = self.value.elements() else {
            self.expected_list(problems);
            return Vec::new();
        };
        let node = |(index, value)| Node {
            value,
            pointer: self.pointer.index(index),
        };
        elements.iter().enumerate().map(node).collect()
    }

    /// One thing stands where a list of such things does.
    fn expected_list(&self, problems: &mut Problems<'_>) {
        let found = self.value.type_name();
        let message = format!("a list is expected here, not {found}");
        match &self.value.kind {
            Kind::String(text) if is_plain(text) => {
                self.instead(problems, &message, &format!("[\"{text}\"]"));
            }
            Kind::Object(members) if !members.is_empty() => {
                self.instead(problems, &message, "[{…}]");
            }
            _ => self.error(problems, message),
        }
    }

    /// The members of an object whose keys are the author's own.
    pub(super) fn entries(&self, problems: &mut Problems<'_>) -> Vec<(&'v str, usize, Self)> {
        let Some(members) = self.value.members() else {
            self.expected(problems, "an object");
            return Vec::new();
        };
        let entry = |member: &'v crate::json::Member<'v>| {
            let node = Node {
                value: &member.value,
                pointer: self.pointer.key(&member.key),
            };
            (&*member.key, member.key_span.start as usize, node)
        };
        members.iter().map(entry).collect()
    }

    /// Is `key` missing? Not if a member was meant to be it: that one is reported itself.
    pub(super) fn lacks(&self, key: &str, keys: &Keys) -> bool {
        let members = self.value.members().unwrap_or_default();
        !members.iter().any(|member| {
            *member.key == *key
                || !keys.knows(&member.key) && probably(&member.key, &keys.words()) == Some(key)
        })
    }

    /// The members of an object of the language; keys it does not know are reported.
    pub(super) fn members(&self, problems: &mut Problems<'_>, keys: &Keys) -> Vec<(&'v str, Self)> {
        let mut known = Vec::new();
        for (key, at, node) in self.entries(problems) {
            if keys.knows(key) {
                known.push((key, node));
            } else if key == "$schema" {
                let message = format!("unknown key {key:?}{OF_THE_EDITOR}");
                problems.error(&node.pointer, at, message);
            } else {
                problems.bad_key(&node.pointer, at, key, &keys.words());
            }
        }
        known
    }
}

/// Can it be shown between quotes, as it is?
pub(super) fn is_plain(text: &str) -> bool {
    const LONGEST: usize = 64;
    text.len() <= LONGEST && !text.contains(|c: char| c.is_control() || c == '"' || c == '\\')
}

/// `"a"`, `"b"` or `"c"`.
pub(super) fn listed(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}
