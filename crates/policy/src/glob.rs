//! Globs over names: `*` for any run of characters, `?` for any one.
//!
//! In paths a separator bounds both, and `**` passes it. Matching takes time proportional to name
//! times pattern, whatever either is.

/// A pattern of a whole name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glob {
    /// What every match begins with, and what it ends with: most names are told by these alone.
    prefix: Box<str>,
    suffix: Box<str>,
    /// The first byte of the one and the last of the other, at hand: a policy may have a thousand
    /// globs, and looks at all of them for every call.
    edges: (Option<u8>, Option<u8>),
    tokens: Vec<Token>,
    separator: Option<char>,
    /// Is it nothing but prefix, one run of any characters, and suffix?
    is_simple: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Literal(char),
    /// `?`
    One,
    /// `*`
    Run,
    /// `**`
    RunAcross,
}

impl Glob {
    /// Does the text need matching, or is it a plain name?
    pub(crate) fn is_one(text: &str) -> bool {
        text.contains(['*', '?'])
    }

    /// A pattern over names in which no character is special.
    pub(crate) fn of_names(text: &str) -> Self {
        Self::new(text, None)
    }

    /// A pattern over paths: only `**` passes a slash.
    pub(crate) fn of_paths(text: &str) -> Self {
        Self::new(text, Some('/'))
    }

    fn new(text: &str, separator: Option<char>) -> Self {
        let mut tokens: Vec<Token> = Vec::new();
        for c in text.chars() {
            match (c, tokens.last_mut()) {
                ('*', Some(last @ (Token::Run | Token::RunAcross))) => *last = Token::RunAcross,
                ('*', _) => tokens.push(Token::Run),
                ('?', _) => tokens.push(Token::One),
                (c, _) => tokens.push(Token::Literal(c)),
            }
        }
        let prefix = literals(tokens.iter());
        let suffix: String = literals(tokens.iter().rev()).chars().rev().collect();
        let wild = tokens.iter().filter(|t| !matches!(t, Token::Literal(_)));
        let wild: Vec<Token> = wild.copied().collect();
        let is_simple = match *wild {
            [Token::RunAcross] => true,
            [Token::Run] => separator.is_none(),
            _ => false,
        };
        Self {
            edges: (prefix.bytes().next(), suffix.bytes().next_back()),
            prefix: prefix.into(),
            suffix: suffix.into(),
            tokens,
            separator,
            is_simple,
        }
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        let (first, last) = self.edges;
        let differs = |edge: Option<u8>, byte: Option<&u8>| edge.is_some() && edge.as_ref() != byte;
        if differs(first, name.as_bytes().first()) || differs(last, name.as_bytes().last()) {
            return false;
        }
        let Some(rest) = name.strip_prefix(&*self.prefix) else {
            return false;
        };
        if self.is_simple {
            return rest.ends_with(&*self.suffix);
        }
        name.ends_with(&*self.suffix)
            && match self.separator {
                None => self.matches_greedily(name),
                Some(_) => self.matches_slowly(name),
            }
    }

    /// Without a separator each run takes as little as lets the literals after it match: where one
    /// run more begins, what was matched before needs no second look.
    fn matches_greedily(&self, name: &str) -> bool {
        let mut tokens = self.tokens.as_slice();
        let mut rest = name.chars();
        let mut last_run = None;
        loop {
            match tokens.split_first() {
                Some((token, after)) if token.may_be_empty() => {
                    if after.is_empty() {
                        return true;
                    }
                    last_run = Some((after, rest.clone()));
                    tokens = after;
                    continue;
                }
                Some((token, after)) => {
                    let mut ahead = rest.clone();
                    if ahead.next().is_some_and(|c| token.takes(c, true)) {
                        (tokens, rest) = (after, ahead);
                        continue;
                    }
                }
                None if rest.as_str().is_empty() => return true,
                None => {}
            }
            let Some((after, taken)) = &mut last_run else {
                return false;
            };
            if taken.next().is_none() {
                return false;
            }
            (tokens, rest) = (*after, taken.clone());
        }
    }

    fn matches_slowly(&self, name: &str) -> bool {
        // reached[i]: the tokens before i match what was read.
        let mut reached = Vec::with_capacity(self.tokens.len().saturating_add(1));
        reached.push(true);
        for token in &self.tokens {
            let skipped = reached.last() == Some(&true) && token.may_be_empty();
            reached.push(skipped);
        }
        for c in name.chars() {
            if !self.read(c, &mut reached) {
                return false;
            }
        }
        reached.last() == Some(&true)
    }

    /// Takes one character more; false if nothing is reached any more.
    fn read(&self, c: char, reached: &mut [bool]) -> bool {
        let plain = self.separator != Some(c);
        let (mut before, mut now_before, mut any) = (false, false, false);
        let mut token_before: Option<Token> = None;
        let tokens = self.tokens.iter().copied().map(Some).chain([None]);
        for (state, token) in reached.iter_mut().zip(tokens) {
            let stays = *state && token.is_some_and(|t| t.may_be_empty() && t.takes(c, plain));
            let steps = before && token_before.is_some_and(|t| t.takes(c, plain));
            let skips = now_before && token_before.is_some_and(Token::may_be_empty);
            before = *state;
            *state = stays || steps || skips;
            now_before = *state;
            any |= *state;
            token_before = token;
        }
        any
    }
}

/// The literals that come before any wildcard.
fn literals<'t>(tokens: impl Iterator<Item = &'t Token>) -> String {
    tokens
        .map_while(|token| match token {
            Token::Literal(c) => Some(c),
            _ => None,
        })
        .collect()
}

impl Token {
    const fn may_be_empty(self) -> bool {
        matches!(self, Self::Run | Self::RunAcross)
    }

    const fn takes(self, c: char, plain: bool) -> bool {
        match self {
            Self::Literal(literal) => literal as u32 == c as u32,
            Self::One | Self::Run => plain,
            Self::RunAcross => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_match_or_not() {
        for (pattern, name, matches) in [
            ("*", "", true),
            ("*", "a/b", true),
            ("?", "", false),
            ("?", "é", true),
            ("?", "ab", false),
            ("run-*", "run-", true),
            ("run-*", "run-rerun", true),
            ("run-*", "rerun", false),
            ("run-*", "Run-x", false),
            ("*_run", "a_run_run", true),
            ("*_run", "a_runs", false),
            ("a*b*c", "abbbcbc", true),
            ("a*b*c", "abcb", false),
            ("a?c", "abc", true),
            ("a.c", "abc", false),
        ] {
            assert_eq!(
                Glob::of_names(pattern).matches(name),
                matches,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn separators_bound_what_is_not_doubled() {
        for (pattern, path, matches) in [
            ("file:///a/*", "file:///a/b", true),
            ("file:///a/*", "file:///a/", true),
            ("file:///a/*", "file:///a/b/c", false),
            ("file:///a/**", "file:///a/b/c", true),
            ("file:///a/?", "file:///a/b", true),
            ("file:///a?b", "file:///a/b", false),
            ("file:///*/c", "file:///a/b/c", false),
            ("file:///**/c", "file:///a/b/c", true),
            ("file:///**/c/*", "file:///a/c/b/c/d", true),
            ("file:///**/c/*", "file:///a/c/b/d", false),
            ("**", "x:y/z", true),
            ("***", "x:y/z", true),
        ] {
            assert_eq!(
                Glob::of_paths(pattern).matches(path),
                matches,
                "{pattern} {path}"
            );
        }
    }

    /// The definition, word for word, and as slow as that is.
    fn slowly(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], rest) => rest.is_empty(),
            (['*', '*', after @ ..], _) => {
                slowly(after, name) || matches!(name, [_, rest @ ..] if slowly(pattern, rest))
            }
            (['*', after @ ..], _) => {
                slowly(after, name)
                    || matches!(name, [c, rest @ ..] if *c != '/' && slowly(pattern, rest))
            }
            (['?', after @ ..], [c, rest @ ..]) => *c != '/' && slowly(after, rest),
            ([p, after @ ..], [c, rest @ ..]) => p == c && slowly(after, rest),
            _ => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn agrees_with_the_definition(pattern in "[ab/*?]{0,8}", name in "[ab/]{0,8}") {
            // `***` and `* *` run together: what the definition reads piecewise means the same.
            let letters = |text: &str| text.chars().collect::<Vec<char>>();
            let joined = pattern.replace("***", "**").replace("***", "**").replace("***", "**");
            prop_assert_eq!(
                Glob::of_paths(&pattern).matches(&name),
                slowly(&letters(&joined), &letters(&name))
            );
        }
    }
}
