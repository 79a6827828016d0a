//! What the command line prints: plain text, tables, JSON, failures.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use serde::Serialize;

use crate::admin::{Answer, Failure};
use crate::config::Environment;

/// Whether colours are wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint(bool);

/// What a colour says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Good,
    Waiting,
    Bad,
    Head,
}

impl Paint {
    /// Colours on a terminal, unless `NO_COLOR` is set.
    pub(super) fn of_stdout() -> Self {
        Self(io::stdout().is_terminal() && !Environment::system().no_color())
    }

    pub(super) fn of_stderr() -> Self {
        Self(io::stderr().is_terminal() && !Environment::system().no_color())
    }

    pub(super) fn tone(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Good => "32",
            Tone::Waiting => "33",
            Tone::Bad => "31",
            Tone::Head => "1",
        };
        if self.0 && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// What a command has to say.
#[derive(Debug, Default)]
pub(super) struct Output {
    out: String,
    /// Remarks beside the answer.
    err: String,
    code: u8,
}

impl Output {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self {
            out: text.into(),
            ..Self::default()
        }
    }

    pub(super) fn json(value: &impl Serialize) -> Result<Self, Failure> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| Failure::cannot(format!("cannot write JSON: {error}"), ""))?;
        Ok(Self::text(text + "\n"))
    }

    /// With more of the answer.
    pub(super) fn and(mut self, text: &str) -> Self {
        self.out.push_str(text);
        self
    }

    pub(super) fn remark(mut self, text: &str) -> Self {
        self.err.push_str(text);
        self.err.push('\n');
        self
    }

    pub(super) fn with_code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    pub(super) fn print(&self) -> ExitCode {
        let _ = io::stderr().lock().write_all(self.err.as_bytes());
        let mut stdout = io::stdout().lock();
        let written = stdout
            .write_all(self.out.as_bytes())
            .and_then(|()| stdout.flush());
        match written {
            // A reader that has seen enough, such as `head`, is no failure.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::from(3),
            _ => ExitCode::from(self.code),
        }
    }
}

/// One line what, one line what to do; a policy's problems are shown by whoever has its text.
pub(super) fn print_failure(failure: &Failure, paint: Paint) -> ExitCode {
    let mut text = format!(
        "{} {}\n",
        paint.tone(Tone::Bad, "error:"),
        printable(&failure.what)
    );
    if let Some(advice) = &failure.advice {
        let _ = writeln!(
            text,
            "{} {}",
            paint.tone(Tone::Head, "to do:"),
            printable(advice)
        );
    }
    let _ = io::stderr().lock().write_all(text.as_bytes());
    ExitCode::from(match failure.answer {
        Answer::No => 1,
        Answer::Usage => 2,
        Answer::Cannot => 3,
    })
}

/// A problem as a compiler shows it, with its first word in colour.
pub(super) fn painted(notice: &str, paint: Paint) -> String {
    let notice = printable(notice);
    let tones = [("error:", Tone::Bad), ("warning:", Tone::Waiting)];
    let known = tones
        .into_iter()
        .find_map(|(word, tone)| Some((word, tone, notice.strip_prefix(word)?)));
    match known {
        Some((word, tone, rest)) => paint.tone(tone, word) + rest,
        None => notice,
    }
}

/// As much of a line as fits a width, with a sign where more of it follows.
pub(super) fn beginning(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    let most = line.chars().take(width.saturating_sub(1));
    most.chain(['…']).collect()
}

/// Text from elsewhere, without what could disturb a terminal or reorder a line.
pub(super) fn printable(text: &str) -> String {
    let safe = |c: char| match c {
        '\n' => "\n".to_owned(),
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            c.escape_unicode().to_string()
        }
        c if c.is_control() => c.escape_unicode().to_string(),
        c => c.to_string(),
    };
    text.chars().map(safe).collect()
}

/// A table whose columns are aligned.
pub(super) struct Table {
    paint: Paint,
    rows: Vec<Vec<(String, Tone)>>,
    widths: Vec<usize>,
}

impl Table {
    pub(super) fn new<const N: usize>(paint: Paint, head: [&str; N]) -> Self {
        let head = head.map(|text| (text.to_owned(), Tone::Head)).to_vec();
        Self {
            paint,
            rows: vec![head],
            widths: vec![0; N],
        }
    }

    /// With columns of these widths or more.
    pub(super) fn at_least<const N: usize>(mut self, widths: [usize; N]) -> Self {
        self.widths = widths.to_vec();
        self
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [(String, Tone); N]) {
        self.rows.push(cells.map(one_line).to_vec());
    }

    /// One more row as it stands below the others, which were rendered before. What a long cell takes
    /// is taken from the room of those behind it, so that the columns come back under their heads.
    pub(super) fn row_alone<const N: usize>(&self, cells: [(String, Tone); N]) -> String {
        let cells = cells.map(one_line);
        let mut over: usize = 0;
        let mut widths = self.all_widths();
        for (width, (cell, _)) in widths.iter_mut().zip(&cells) {
            let (room, taken) = (*width, cell.chars().count());
            *width = room.saturating_sub(over);
            over = (over + taken.max(*width)).saturating_sub(room);
        }
        self.line(&cells, &widths)
    }

    pub(super) fn render(&self) -> String {
        let widths = self.all_widths();
        self.rows
            .iter()
            .map(|row| self.line(row, &widths))
            .collect()
    }

    fn all_widths(&self) -> Vec<usize> {
        let width = |(column, least): (usize, &usize)| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            let widest = cells.map(|(text, _)| text.chars().count()).max();
            widest.unwrap_or(0).max(*least)
        };
        self.widths.iter().enumerate().map(width).collect()
    }

    fn line(&self, row: &[(String, Tone)], widths: &[usize]) -> String {
        let mut line = String::new();
        for ((cell, tone), width) in row.iter().zip(widths) {
            let fill = " ".repeat(width.saturating_sub(cell.chars().count()) + 2);
            line.push_str(&self.paint.tone(*tone, cell));
            line.push_str(&fill);
        }
        line.truncate(line.trim_end().len());
        line + "\n"
    }
}

fn one_line((text, tone): (String, Tone)) -> (String, Tone) {
    (printable(&text).replace('\n', " "), tone)
}

/// A cell without a colour.
pub(super) fn plain(text: impl Into<String>) -> (String, Tone) {
    (text.into(), Tone::Plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_also_in_colour() {
        for paint in [Paint(false), Paint(true)] {
            let mut table = Table::new(paint, ["NAME", "STATE"]);
            table.row([plain("a"), ("ok".to_owned(), Tone::Good)]);
            table.row([plain("müller"), plain("-")]);
            let rendered = table
                .render()
                .replace("\x1b[1m", "")
                .replace("\x1b[32m", "");
            assert_eq!(
                rendered.replace("\x1b[0m", ""),
                "NAME    STATE\na       ok\nmüller  -\n"
            );
        }
    }

    #[test]
    fn a_later_row_stands_below_the_others() {
        let mut table = Table::new(Paint(false), ["NAME", "STATE", "X"]).at_least([6, 0, 0]);
        table.row([plain("a"), plain("waiting"), plain("1")]);
        assert_eq!(table.render(), "NAME    STATE    X\na       waiting  1\n");
        let later = table.row_alone([plain("much longer"), plain("ok"), plain("2")]);
        assert_eq!(later, "much longer  ok  2\n");
        let later = table.row_alone([plain("much longer still"), plain("ok"), plain("2")]);
        assert_eq!(later, "much longer still  ok  2\n");
        let later = table.row_alone([plain("longer"), plain("waiting long"), plain("2")]);
        assert_eq!(later, "longer  waiting long  2\n");
        let later = table.row_alone([plain("b"), plain("ok"), plain("")]);
        assert_eq!(later, "b       ok\n");
    }

    #[test]
    fn what_servers_say_cannot_move_the_cursor() {
        assert_eq!(printable("a\x1b[2Jb\u{202e}c"), "a\\u{1b}[2Jb\\u{202e}c");
        let mut table = Table::new(Paint(false), ["A"]);
        table.row([plain("one\ntwo\r")]);
        assert_eq!(table.render(), "A\none two\\u{d}\n");
    }
}
