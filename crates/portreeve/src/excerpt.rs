//! A place in a text as compilers show it: what, where, the line, a caret.
//!
//! It draws. Whether a line may be shown at all is for whoever knows what stands in it.

use std::fmt::Write as _;

/// One line of a text, and the column to point at, both from 1 and in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    pub line: String,
    pub column: usize,
}

impl Excerpt {
    /// A line of `text` as it is.
    pub fn of(text: &str, line: usize, column: usize) -> Option<Self> {
        let line = text.lines().nth(line.checked_sub(1)?)?.to_owned();
        Some(Self { line, column })
    }
}

/// What a person reads about one place.
#[derive(Clone, Copy, Debug)]
pub struct Notice<'n> {
    /// `error: …`
    pub head: &'n str,
    pub file: &'n str,
    pub line: usize,
    pub column: usize,
    pub excerpt: Option<&'n Excerpt>,
    /// What else there is to say, a line each.
    pub notes: &'n [String],
}

/// Draws the notice; it ends with a line break.
pub fn draw(notice: &Notice<'_>) -> String {
    let Notice {
        head,
        file,
        line,
        column,
        ..
    } = notice;
    let margin = line.to_string().len();
    let mut drawn = format!("{head}\n{:margin$}--> {file}:{line}:{column}\n", "");
    if let Some(excerpt) = notice.excerpt {
        let (shown, column) = window(&excerpt.line, excerpt.column);
        let _ = writeln!(drawn, "{:margin$} |", "");
        let _ = writeln!(drawn, "{line} | {shown}");
        let _ = writeln!(drawn, "{:margin$} | {:>column$}", "", "^");
    }
    for note in notice.notes {
        let _ = writeln!(drawn, "{:margin$} = {note}", "");
    }
    drawn
}

/// The part of a line that fits a terminal, with the column in it; what could disturb the terminal
/// is replaced.
pub fn window(line: &str, column: usize) -> (String, usize) {
    const WIDTH: usize = 96;
    let skip = if column > WIDTH {
        column - WIDTH / 2
    } else {
        0
    };
    let shown = line
        .chars()
        .skip(skip)
        .take(WIDTH)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    (shown, column.saturating_sub(skip))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_drawn_with_or_without_its_line() {
        let excerpt = Excerpt::of("a\nb = c\n", 2, 5).expect("a line");
        let notes = ["so it is".to_owned()];
        let notice = Notice {
            head: "error: no",
            file: "f",
            line: 2,
            column: 5,
            excerpt: Some(&excerpt),
            notes: &notes,
        };
        assert_eq!(
            draw(&notice),
            "error: no\n --> f:2:5\n  |\n2 | b = c\n  |     ^\n  = so it is\n"
        );
        let bare = Notice {
            excerpt: None,
            notes: &[],
            ..notice
        };
        assert_eq!(draw(&bare), "error: no\n --> f:2:5\n");
        assert_eq!(Excerpt::of("a", 2, 1), None);
        assert_eq!(Excerpt::of("a", 0, 1), None);
    }
}
