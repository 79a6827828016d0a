//! The pages of the documentation: their fenced blocks, links and chapters, and changing blocks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The root of the sources.
pub(super) fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().expect("the sources")
}

pub(super) struct Page {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// A fenced block.
#[derive(Clone, Copy)]
pub(super) struct Block<'p> {
    /// What follows the opening fence.
    pub(super) info: &'p str,
    pub(super) body: &'p str,
    /// The line of the page on which the body begins, from 1.
    pub(super) line: usize,
    /// The byte of the page at which the body begins.
    pub(super) start: usize,
}

/// The README and everything in `docs`.
pub(super) fn pages() -> Vec<Page> {
    let mut paths = vec![root().join("README.md")];
    for entry in std::fs::read_dir(root().join("docs")).expect("docs") {
        paths.push(entry.expect("an entry").path());
    }
    paths.retain(|path| path.extension().is_some_and(|e| e == "md"));
    paths.sort();
    let page = |path: PathBuf| Page {
        text: std::fs::read_to_string(&path).expect("a page"),
        path,
    };
    paths.into_iter().map(page).collect()
}

impl Page {
    pub(super) fn name(&self) -> &str {
        let name = self.path.file_name().expect("a name");
        name.to_str().expect("UTF-8")
    }

    /// Its lines, each with the byte at which it begins and whether a block holds it.
    fn lines(&self) -> impl Iterator<Item = (usize, &str, bool)> {
        let (mut at, mut inside) = (0, false);
        self.text.split_inclusive('\n').map(move |line| {
            let start = at;
            at += line.len();
            let fence = line.starts_with("```");
            let held = inside || fence;
            inside ^= fence;
            (start, line, held)
        })
    }

    pub(super) fn blocks(&self) -> Vec<Block<'_>> {
        let mut blocks = Vec::new();
        let mut open: Option<(&str, usize, usize)> = None;
        for (number, (at, line, _)) in self.lines().enumerate() {
            let Some(info) = line.strip_prefix("```") else {
                continue;
            };
            open = match open {
                None => Some((info.trim(), at + line.len(), number + 2)),
                Some((info, start, line)) => {
                    let body = &self.text[start..at];
                    blocks.push(Block {
                        info,
                        body,
                        line,
                        start,
                    });
                    None
                }
            };
        }
        let path = self.path.display();
        assert!(open.is_none(), "{path}: a block is not closed");
        blocks
    }

    /// Where its links lead, those into the world left out, each with its line.
    pub(super) fn links(&self) -> Vec<(String, usize)> {
        let mut links = Vec::new();
        for (number, (_, line, held)) in self.lines().enumerate() {
            for (at, _) in line.match_indices("](").filter(|_| !held) {
                let target = line[at + 2..].split(')').next().expect("a target");
                if !target.contains("://") {
                    links.push((target.to_owned(), number + 1));
                }
            }
        }
        links
    }

    /// The names that links call its chapters by.
    pub(super) fn anchors(&self) -> BTreeSet<String> {
        let headings = self
            .lines()
            .filter(|(_, line, held)| !held && line.starts_with('#'));
        let anchor = |(_, line, _): (usize, &str, bool)| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
            title
                .chars()
                .filter(kept)
                .collect::<String>()
                .replace(' ', "-")
        };
        headings.map(anchor).collect()
    }
}

/// Held by whoever reads a page to write it.
pub(super) fn pen() -> MutexGuard<'static, ()> {
    static PEN: Mutex<()> = Mutex::new(());
    PEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Blocks of a page as they should be.
pub(super) struct Edits<'p> {
    page: &'p Page,
    text: String,
    /// How much longer the new text is than the old one, up to the last block that was replaced.
    shift: isize,
}

impl<'p> Edits<'p> {
    pub(super) fn of(page: &'p Page) -> Self {
        let text = page.text.clone();
        Self {
            page,
            text,
            shift: 0,
        }
    }

    /// From the top of the page to its end.
    pub(super) fn replace(&mut self, block: &Block<'_>, body: &str) {
        let start = block.start.checked_add_signed(self.shift).expect("a place");
        self.text
            .replace_range(start..start + block.body.len(), body);
        self.shift += body.len().cast_signed() - block.body.len().cast_signed();
    }

    /// Writes the page if it is told to; else it must be so already.
    pub(super) fn settle(self) {
        let path = &self.page.path;
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &self.text).expect("written");
            return;
        }
        let differs = self.page.text.lines().zip(self.text.lines());
        let differs = differs.enumerate().find(|(_, (old, new))| old != new);
        if let Some((number, (old, new))) = differs {
            panic!(
                "{}:{}: not up to date\n  it says   {old}\n  it should {new}\nrun \
                 `UPDATE=1 cargo test -p portreeve --test it docs` and look at what changed",
                path.display(),
                number + 1
            );
        }
        assert_eq!(self.page.text, self.text, "{}", path.display());
    }
}
