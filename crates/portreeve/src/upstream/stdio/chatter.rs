//! What a server writes that is no message: its stderr, and noise on its stdout. It goes into the
//! log, as far as a log can bear it.

use std::collections::HashSet;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::clock::Stopwatch;
use crate::name::Name;

/// A line that is longer is cut.
const LONGEST_LINE: usize = 2_000;
/// How many lines may come at once, and how fast that many may come again.
const AT_ONCE: u32 = 50;
const REFILL_EVERY: Duration = Duration::from_millis(100);

/// Logs a server's stderr to its end.
pub(super) async fn log_stderr(
    server: Name,
    mut from: impl AsyncRead + Unpin,
    secrets: Vec<String>,
) {
    let mut piece = vec![0; 8 * 1024];
    let mut cutter = Cutter::default();
    let mut allowance = Allowance::new();
    while let Ok(count @ 1..) = from.read(&mut piece).await {
        for line in cutter.push(piece.get(..count).unwrap_or_default()) {
            tell(&server, &line, &secrets, &mut allowance);
        }
    }
    if let Some(line) = cutter.rest() {
        tell(&server, &line, &secrets, &mut allowance);
    }
    if allowance.left_out > 0 {
        tracing::info!(%server, lines = allowance.left_out, "stderr: more lines were left out");
    }
}

fn tell(server: &Name, line: &[u8], secrets: &[String], allowance: &mut Allowance) {
    let Some(left_out) = allowance.take() else {
        return;
    };
    if left_out > 0 {
        tracing::info!(%server, lines = left_out, "stderr: some lines were left out");
    }
    tracing::info!(%server, "stderr: {}", plain(line, secrets));
}

/// A line as it may stand in a log: no secret of the server's variables, nothing that could move
/// a terminal's cursor or reorder what is seen.
fn plain(line: &[u8], secrets: &[String]) -> String {
    let mut text = String::from_utf8_lossy(line).into_owned();
    for secret in secrets {
        if text.contains(secret.as_str()) {
            text = text.replace(secret.as_str(), "[secret]");
        }
    }
    let safe = |c: char| match c {
        '\t' => " ".to_owned(),
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            c.escape_unicode().to_string()
        }
        c if c.is_control() => c.escape_unicode().to_string(),
        c => c.to_string(),
    };
    text.chars().map(safe).collect()
}

/// Cuts lines out of pieces; of a long line only the beginning is kept.
#[derive(Debug, Default)]
struct Cutter {
    begun: Vec<u8>,
    cut: bool,
}

impl Cutter {
    fn push(&mut self, piece: &[u8]) -> Vec<Vec<u8>> {
        let mut whole = Vec::new();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = match part.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (part, false),
            };
            let room = LONGEST_LINE.saturating_sub(self.begun.len());
            self.cut |= text.len() > room;
            self.begun
                .extend_from_slice(text.get(..room).unwrap_or(text));
            if ended {
                whole.extend(self.rest());
            }
        }
        whole
    }

    fn rest(&mut self) -> Option<Vec<u8>> {
        let mut line = std::mem::take(&mut self.begun);
        if std::mem::take(&mut self.cut) {
            line.extend_from_slice("…".as_bytes());
        }
        let used = line.trim_ascii_end().len();
        line.truncate(used);
        (!line.is_empty()).then_some(line)
    }
}

/// How many lines may be logged.
#[derive(Debug)]
struct Allowance {
    lines: u32,
    since: Stopwatch,
    left_out: u64,
}

impl Allowance {
    fn new() -> Self {
        Self {
            lines: AT_ONCE,
            since: Stopwatch::start(),
            left_out: 0,
        }
    }

    /// How many lines were left out before this one, if this one may be logged.
    fn take(&mut self) -> Option<u64> {
        let earned = self.since.elapsed().as_millis() / REFILL_EVERY.as_millis().max(1);
        if earned > 0 {
            let earned = u32::try_from(earned).unwrap_or(u32::MAX);
            self.lines = self.lines.saturating_add(earned).min(AT_ONCE);
            self.since = Stopwatch::start();
        }
        if let Some(left) = self.lines.checked_sub(1) {
            self.lines = left;
            Some(std::mem::take(&mut self.left_out))
        } else {
            self.left_out += 1;
            None
        }
    }
}

/// Noise on stdout, told once for each kind in a process's life.
#[derive(Debug)]
pub(super) struct Noise {
    server: Name,
    told: HashSet<&'static str>,
}

impl Noise {
    pub(super) fn new(server: Name) -> Self {
        Self {
            server,
            told: HashSet::new(),
        }
    }

    pub(super) fn note(&mut self, kind: &'static str, bytes: usize) {
        if self.told.insert(kind) {
            tracing::warn!(server = %self.server, bytes, "stdout: {kind}; it was dropped, and so will be more of the kind");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_and_long_ones_are_cut() {
        let mut cutter = Cutter::default();
        assert!(cutter.push(b"one, ").is_empty());
        assert_eq!(
            cutter.push(b"two\r\n\nthree\nfo"),
            [&b"one, two"[..], b"three"]
        );
        assert_eq!(cutter.rest().as_deref(), Some(&b"fo"[..]));
        let long = [&vec![b'x'; 10_000][..], b"\nnext\n"].concat();
        let lines = cutter.push(&long);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].len(), LONGEST_LINE + "…".len());
        assert_eq!(lines[1], b"next");
    }

    #[test]
    fn a_log_line_shows_no_secret_and_moves_no_cursor() {
        let secrets = ["hush-hush".to_owned()];
        let told = plain("key=hush-hush \x1b[2J\u{202e}\x07".as_bytes(), &secrets);
        assert_eq!(told, "key=[secret] \\u{1b}[2J\\u{202e}\\u{7}");
        assert_eq!(plain(b"caf\xC3", &[]), "caf\u{FFFD}");
    }

    #[test]
    fn a_flood_is_cut_and_counted() {
        let mut allowance = Allowance::new();
        let told = (0..1_000).filter(|_| allowance.take().is_some()).count();
        assert!(told >= AT_ONCE as usize && told < 200, "{told}");
        assert!(allowance.left_out > 800);
    }
}
