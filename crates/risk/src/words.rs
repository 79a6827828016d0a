//! Words out of names and text.
//!
//! A name is cut where its writer changed case, put a separator, or went from letters to digits;
//! text is cut at whatever is no letter, with sentence ends kept. Everything is lower case, and
//! everything is bounded: what comes after the bound is not read by the judge (the scan of poison
//! reads all of it).

/// How many characters of a description are read for the verdict.
const MOST_TEXT: usize = 3_000;
/// How many words of a name.
const MOST_NAME: usize = 24;

/// One word of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word<'t> {
    pub text: &'t str,
    /// What stood between it and the word before.
    pub before: Gap,
}

/// What stands before a word, the strongest of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Gap {
    Space,
    /// A slash, a hyphen, an ampersand or the like: the words belong together.
    Joint,
    Comma,
    /// A colon, a dash, a bracket, a quotation mark.
    Break,
    /// A full stop, a line break, the beginning.
    Sentence,
}

/// Lower-case text of bounded length.
pub(crate) fn lowered(text: &str) -> String {
    text.chars()
        .take(MOST_TEXT)
        .flat_map(char::to_lowercase)
        .collect()
}

/// Cuts lowered text into words.
pub(crate) fn of_text(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut gap = Gap::Sentence;
    let mut start = None;
    let mut last = ' ';
    for (at, c) in text.char_indices() {
        let inside = c.is_alphanumeric() || c == '_' || (c == '\'' && last.is_alphanumeric());
        if inside {
            start = start.or(Some(at));
        } else {
            if let Some(from) = start.take() {
                push(&mut words, text.get(from..at), gap);
                gap = Gap::Space;
            }
            gap = gap.max(gap_of(c, last));
        }
        last = c;
    }
    if let Some(from) = start {
        push(&mut words, text.get(from..), gap);
    }
    words
}

fn push<'t>(words: &mut Vec<Word<'t>>, text: Option<&'t str>, before: Gap) {
    if let Some(text) = text {
        let text = text.strip_suffix("'s").unwrap_or(text);
        words.push(Word { text, before });
    }
}

const fn gap_of(c: char, last: char) -> Gap {
    match c {
        '.' | '!' | '?' | '\n' | '。' | '！' | '？' | '•' | ';' | '；' => Gap::Sentence,
        ':' | '(' | ')' | '[' | ']' | '"' | '“' | '”' | '—' | '–' | '`' | '：' | '（' | '）'
        | '<' | '>' | '|' => Gap::Break,
        ',' | '，' | '、' => Gap::Comma,
        '-' if last == ' ' => Gap::Break,
        '/' | '-' | '&' | '+' => Gap::Joint,
        _ => Gap::Space,
    }
}

/// Cuts a name into lower-case words.
pub(crate) fn of_name(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut chars = name.chars().take(400).peekable();
    let mut last = ' ';
    while let Some(c) = chars.next() {
        let next_is_lower = chars.peek().is_some_and(|n| n.is_lowercase());
        let begins = !c.is_alphanumeric()
            || (c.is_uppercase() && last.is_lowercase())
            || (c.is_uppercase() && last.is_uppercase() && next_is_lower && word.len() > 1)
            || (c.is_numeric() != last.is_numeric() && last.is_alphanumeric());
        if begins && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        last = c;
    }
    if !word.is_empty() {
        words.push(word);
    }
    words.truncate(MOST_NAME);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_as_people_read_them() {
        let check =
            |name: &str, expect: &str| assert_eq!(of_name(name).join(" "), expect, "{name}");
        check("deleteUserByID", "delete user by id");
        check("GetHTTPResponse", "get http response");
        check("compose-down", "compose down");
        check("script.saveOrUpdate", "script save or update");
        check("API_v2__list", "api v 2 list");
        check("löscheDatei", "lösche datei");
        check("", "");
        check("___", "");
    }

    #[test]
    fn text_is_cut_with_its_sentences() {
        let words = of_text("deletes a file. can't be undone, ever (really)");
        let shown: Vec<_> = words.iter().map(|w| (w.text, w.before)).collect();
        assert_eq!(shown[0], ("deletes", Gap::Sentence));
        assert_eq!(shown[3], ("can't", Gap::Sentence));
        assert_eq!(shown[6], ("ever", Gap::Comma));
        assert_eq!(shown[7], ("really", Gap::Break));
    }
}
