//! The first pass: is every key known, and of the right type?
//!
//! It is driven by the table of keys alone, so a key cannot be read without being documented.

use std::collections::BTreeSet;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{Form, KEYS};
use super::reader::{Reader, count, entries};
use crate::nearest::nearest;

/// Checks the whole tree against the table.
pub(super) fn check(reader: &mut Reader<'_>, root: &DeTable<'_>) {
    check_table(reader, root, &Path::default());
}

/// A place in the tree: as the table of keys writes it, and as the user wrote it.
#[derive(Clone, Default)]
struct Path {
    pattern: String,
    shown: String,
}

impl Path {
    fn child(&self, pattern: &str, shown: &str) -> Self {
        let join = |front: &str, key: &str| match front {
            "" => key.to_owned(),
            front => format!("{front}.{key}"),
        };
        Self {
            pattern: join(&self.pattern, pattern),
            shown: join(&self.shown, shown),
        }
    }

    fn entry(&self, index: usize) -> Self {
        Self {
            pattern: format!("{}[]", self.pattern),
            shown: format!("{}[{index}]", self.shown),
        }
    }
}

/// What the table knows at a place.
enum Known {
    Leaf(Form),
    /// A table with keys of its own.
    Section,
    /// A list of such tables.
    List,
    Unknown,
}

fn known(pattern: &str) -> Known {
    if let Some(key) = KEYS.iter().find(|key| key.path == pattern) {
        return Known::Leaf(key.form);
    }
    let below = |separator: &str| {
        KEYS.iter()
            .filter_map(|key| key.path.strip_prefix(pattern))
            .any(|rest| rest.starts_with(separator))
    };
    if below(".") {
        Known::Section
    } else if below("[]") {
        Known::List
    } else {
        Known::Unknown
    }
}

/// The words that may stand below a place; `NAME` if it is the user's choice.
fn children(pattern: &str) -> BTreeSet<&'static str> {
    let prefix = match pattern {
        "" => String::new(),
        pattern => format!("{pattern}."),
    };
    KEYS.iter()
        .filter_map(|key| key.path.strip_prefix(&prefix))
        .filter_map(|rest| rest.split(['.', '[']).next())
        .collect()
}

fn check_table(reader: &mut Reader<'_>, table: &DeTable<'_>, path: &Path) {
    let children = children(&path.pattern);
    let any_name = children.contains("NAME");
    for (key, at, value) in entries(table) {
        let child = path.child(if any_name { "NAME" } else { key }, key);
        match known(&child.pattern) {
            Known::Leaf(Form::Later) => reader.error(
                at,
                format!(
                    "`{}` is not supported by this version yet: take it out",
                    child.shown
                ),
            ),
            Known::Leaf(form) => check_leaf(reader, form, value, &child),
            Known::Section => match value.get_ref().as_table() {
                Some(table) => check_table(reader, table, &child),
                None => wrong_type(reader, value, &child, "a table"),
            },
            Known::List => check_list(reader, value, &child),
            Known::Unknown => unknown(reader, at, &child, &children),
        }
    }
}

fn check_list(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>, path: &Path) {
    let wanted = format!("a list of tables: write `[[{}]]`", path.shown);
    let Some(list) = value.get_ref().as_array() else {
        return wrong_type(reader, value, path, &wanted);
    };
    for (index, entry) in list.iter().enumerate() {
        match entry.get_ref().as_table() {
            Some(table) => check_table(reader, table, &path.entry(index)),
            None => wrong_type(reader, entry, path, &wanted),
        }
    }
}

fn unknown(reader: &mut Reader<'_>, at: usize, path: &Path, known: &BTreeSet<&'static str>) {
    let key = path.shown.rsplit('.').next().unwrap_or_default();
    let advice = if let Some(near) = nearest(key, known.iter().copied()) {
        format!("did you mean `{near}`?")
    } else {
        let words: Vec<String> = known.iter().map(|word| format!("`{word}`")).collect();
        format!("known here: {}", words.join(", "))
    };
    reader.error(at, format!("`{}` is not a known key; {advice}", path.shown));
}

fn wrong_type(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>, path: &Path, wanted: &str) {
    let found = match value.get_ref() {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    let message = format!("`{}` must be {wanted}, not {found}", path.shown);
    reader.error(value.span().start, message);
}

fn check_leaf(reader: &mut Reader<'_>, form: Form, value: &Spanned<DeValue<'_>>, path: &Path) {
    let inner = value.get_ref();
    let fits = match form {
        Form::Text | Form::Address | Form::Span | Form::Word(_) => inner.is_str(),
        Form::Time => inner.is_str() || inner.is_datetime(),
        Form::Flag => inner.is_bool(),
        Form::Count => inner.is_integer(),
        Form::Size => inner.is_integer() || inner.is_str(),
        Form::Texts => return check_texts(reader, value, path),
        Form::TextMap => return check_text_map(reader, value, path),
        Form::Later => false,
    };
    if !fits {
        return wrong_type(reader, value, path, &form.wanted());
    }
    let good = match (form, inner) {
        (Form::Word(words), DeValue::String(word)) => words.contains(&word.as_ref()),
        (Form::Count, number) => count(number).is_some_and(|count| count > 0),
        _ => true,
    };
    if !good {
        let message = format!("`{}` must be {}", path.shown, form.wanted());
        reader.error(value.span().start, message);
    }
}

fn check_texts(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>, path: &Path) {
    let wanted = Form::Texts.wanted();
    let Some(list) = value.get_ref().as_array() else {
        if let DeValue::String(text) = value.get_ref()
            && let Some(words) = as_words(text)
        {
            let message = format!("`{}` must be {wanted}: write {words}", path.shown);
            return reader.error(value.span().start, message);
        }
        return wrong_type(reader, value, path, &wanted);
    };
    for entry in list.iter().filter(|entry| !entry.get_ref().is_str()) {
        wrong_type(reader, entry, path, &wanted);
    }
}

/// What was written as one text, as the list of its words; `None` if it has one word, or quotes of its own.
pub(super) fn as_words(text: &str) -> Option<String> {
    let words: Vec<String> = text
        .split_whitespace()
        .map(|word| format!("{word:?}"))
        .collect();
    (words.len() > 1 && !text.contains(['"', '\''])).then(|| format!("[{}]", words.join(", ")))
}

fn check_text_map(reader: &mut Reader<'_>, value: &Spanned<DeValue<'_>>, path: &Path) {
    let Some(table) = value.get_ref().as_table() else {
        return wrong_type(reader, value, path, &Form::TextMap.wanted());
    };
    for (key, _, entry) in entries(table) {
        if !entry.get_ref().is_str() {
            wrong_type(reader, entry, &path.child(key, key), &Form::Text.wanted());
        }
    }
}
