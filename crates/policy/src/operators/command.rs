//! `command_in`: is a line one plain command, of a listed form?
//!
//! The reader splits words where a POSIX shell, bash and `shlex` split them alike, and takes
//! nothing that any of them would act on: no operator, substitution, redirection, assignment,
//! glob, tilde, brace or history reference. What a program does with its words is not read here:
//! `**` after a program that runs programs allows them all.

use std::borrow::Cow;
use std::fmt;

use super::{Doubt, Verdict, check_length, strings, write_list};
use crate::json::Value;
use crate::visible::shown;

/// The patterns of one condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    patterns: Vec<Pattern>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    source: String,
    places: Vec<Place>,
    /// `**` at the end.
    takes_more: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Word(String),
    /// `*`
    NoOption,
}

impl Spec {
    /// Reads `["git status", "git log *", "npm test **"]`.
    pub fn compile(value: &Value<'_>) -> Result<Self, String> {
        let texts = strings(value, "commands")?;
        let pattern = |text: &str| {
            Pattern::read(text).map_err(|why| {
                let text = shown(text);
                format!("{text} {why}; write words such as `git log *` (`*` one more word that is no option, `**` at the end any more)")
            })
        };
        let patterns = texts.into_iter().map(pattern);
        Ok(Self {
            patterns: patterns.collect::<Result<_, _>>()?,
        })
    }

    /// None: the text is in doubt, and refused wherever it stands.
    pub fn holds(&self, text: &str) -> Option<bool> {
        self.judge(text).ok()
    }

    pub fn judge(&self, text: &str) -> Verdict {
        let words = words(text)?;
        Ok(self.patterns.iter().any(|p| p.matches(&words)))
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, self.patterns.iter().map(|p| p.source.clone()))
    }
}

impl Pattern {
    fn read(text: &str) -> Result<Self, &'static str> {
        check_command_characters(text).map_err(Doubt::as_str)?;
        let mut reader = Words { rest: text };
        let mut places = Vec::new();
        let mut takes_more = false;
        loop {
            reader.skip_blanks();
            if takes_more && !reader.rest.is_empty() {
                return Err("has words after `**`");
            }
            if let Some(stars) = reader.wildcard() {
                if places.is_empty() {
                    return Err("does not begin with the command's name");
                }
                if stars == 1 {
                    places.push(Place::NoOption);
                }
                takes_more = stars == 2;
                continue;
            }
            match reader.next_word().map_err(Doubt::as_str)? {
                Some(word) => places.push(Place::Word(word.into_owned())),
                None => break,
            }
        }
        match places.first() {
            Some(Place::Word(name)) => check_name(name).map_err(Doubt::as_str)?,
            _ => return Err("is empty"),
        }
        Ok(Self {
            source: text.to_owned(),
            places,
            takes_more,
        })
    }

    fn matches(&self, words: &[Cow<'_, str>]) -> bool {
        let length_fits = words.len() == self.places.len()
            || (self.takes_more && words.len() > self.places.len());
        length_fits
            && self
                .places
                .iter()
                .zip(words)
                .all(|(place, word)| match place {
                    Place::Word(exact) => exact == word,
                    Place::NoOption => !word.starts_with('-'),
                })
    }
}

/// The words of a line, if every shell would run it as one plain command.
pub fn words(line: &str) -> Result<Vec<Cow<'_, str>>, Doubt> {
    check_command_characters(line)?;
    let mut reader = Words { rest: line };
    let mut words = Vec::new();
    while let Some(word) = reader.next_word()? {
        if words.is_empty() {
            check_name(&word)?;
        }
        words.push(word);
    }
    if words.is_empty() {
        return Err(Doubt("has no word"));
    }
    Ok(words)
}

fn check_command_characters(line: &str) -> Result<(), Doubt> {
    check_length(line)?;
    if line.contains(|c: char| c.is_control() && c != '\t') {
        return Err(Doubt("has a newline or another control character"));
    }
    Ok(())
}

/// The first word must be a program's name and nothing a shell reads for itself.
fn check_name(word: &str) -> Result<(), Doubt> {
    const RESERVED: [&str; 19] = [
        "case", "coproc", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if",
        "in", "select", "then", "time", "until", "while", "!", "",
    ];
    if word.contains('=') {
        return Err(Doubt("begins with an assignment"));
    }
    if RESERVED.contains(&word) {
        return Err(Doubt("begins with a word that shells keep for themselves"));
    }
    Ok(())
}

/// A cursor over a line without control characters.
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }

    /// How many stars the next word is, if it is nothing else.
    fn wildcard(&mut self) -> Option<usize> {
        let end = self.rest.find([' ', '\t']).unwrap_or(self.rest.len());
        let (word, after) = self.rest.split_at_checked(end)?;
        let stars = match word {
            "*" => 1,
            "**" => 2,
            _ => return None,
        };
        self.rest = after;
        Some(stars)
    }

    fn next_word(&mut self) -> Result<Option<Cow<'a, str>>, Doubt> {
        self.skip_blanks();
        if self.rest.is_empty() {
            return Ok(None);
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,+@%=".contains(c);
        let end = self.rest.find(|c| !plain(c)).unwrap_or(self.rest.len());
        let (word, after) = self.rest.split_at_checked(end).unwrap_or_default();
        self.rest = after;
        if after.is_empty() || after.starts_with([' ', '\t']) {
            return Ok(Some(Cow::Borrowed(word)));
        }
        self.quoted_word(word.to_owned())
            .map(|w| Some(Cow::Owned(w)))
    }

    /// The rest of a word that is not only plain letters.
    fn quoted_word(&mut self, mut word: String) -> Result<String, Doubt> {
        let mut chars = self.rest.chars();
        loop {
            self.rest = chars.as_str();
            let Some(c) = chars.next() else { break };
            match c {
                ' ' | '\t' => break,
                '\'' => {
                    let end = chars.as_str().split_once('\'');
                    let (inside, after) = end.ok_or(Doubt("has a quote that is not closed"))?;
                    word.push_str(inside);
                    chars = after.chars();
                }
                '"' => {
                    let after = double_quoted(chars.as_str(), &mut word)?;
                    chars = after.chars();
                }
                '\\' => word.push(chars.next().ok_or(Doubt("ends in a backslash"))?),
                c => word.push(bare(c, &word)?),
            }
        }
        Ok(word)
    }
}

/// Reads up to the closing quote and returns what follows it.
fn double_quoted<'a>(text: &'a str, word: &mut String) -> Result<&'a str, Doubt> {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Ok(chars.as_str()),
            '$' | '`' => return Err(Doubt("has a substitution")),
            '!' => return Err(Doubt("has a history reference")),
            '\\' => match chars.next() {
                Some(escaped @ ('"' | '\\')) => word.push(escaped),
                // Shells drop this backslash, `shlex` keeps it.
                Some('$' | '`' | '!') | None => {
                    return Err(Doubt("has a backslash that shells read differently"));
                }
                Some(other) => word.extend(['\\', other]),
            },
            other => word.push(other),
        }
    }
    Err(Doubt("has a quote that is not closed"))
}

/// A character outside quotes, after `word`: one that stands for itself, or what it would do.
fn bare(c: char, word: &str) -> Result<char, Doubt> {
    let doubt = match c {
        '|' | '&' | ';' => "has an operator",
        '<' | '>' => "has a redirection",
        '$' | '`' | '(' | ')' => "has a substitution or a subshell",
        '*' | '?' | '[' | ']' => "has a glob",
        '{' | '}' => "has a brace",
        '!' => "has a history reference",
        '~' if word.is_empty() || word.ends_with(['=', ':']) => "has a tilde that shells expand",
        '#' | '^' if word.is_empty() => "has a word that begins with `#` or `^`",
        c if c.is_whitespace() => "has white space that not all take for a separator",
        c => return Ok(c),
    };
    Err(Doubt(doubt))
}
