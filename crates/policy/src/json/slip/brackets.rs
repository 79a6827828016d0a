//! Which brackets, and which string, are open at the end of a text.

/// A bracket that was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bracket {
    pub(super) opening: char,
    pub(super) closing: char,
    /// Counted from 1.
    pub(super) line: usize,
}

/// What is open.
#[derive(Debug, Default)]
pub(super) struct Unclosed {
    /// From the outside in.
    pub(super) open: Vec<Bracket>,
    /// The line in which the string begins that has no end.
    pub(super) string: Option<usize>,
}

/// What is open at the end of `text`, which was well formed so far.
pub(super) fn unclosed(text: &str) -> Unclosed {
    let mut found = Unclosed::default();
    let mut line = 1_usize;
    let mut escaped = false;
    for c in text.chars() {
        if found.string.is_some() {
            if c == '"' && !escaped {
                found.string = None;
            }
            escaped = c == '\\' && !escaped;
            continue;
        }
        match c {
            '\n' => line = line.saturating_add(1),
            '"' => found.string = Some(line),
            '{' | '[' => found.open.push(Bracket {
                opening: c,
                closing: if c == '{' { '}' } else { ']' },
                line,
            }),
            '}' | ']' => {
                found.open.pop();
            }
            _ => {}
        }
    }
    found
}
