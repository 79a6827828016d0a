//! Definitions from a file or a pipe: a `tools/list` result, a list, one definition, or JSON lines.

use std::io::Read;
use std::path::Path;

use portreeve_policy::json::{Rules, Value, parse_first};

use crate::admin::Failure;

/// The texts of definitions, with their places for messages.
#[derive(Debug)]
pub(in crate::cli) struct Tools {
    texts: Vec<(String, String)>,
    /// The server of those that do not name theirs.
    server: String,
}

/// More is not read: a catalogue of half a million tools fits.
const MOST: u64 = 1 << 30;

impl Tools {
    pub(in crate::cli) fn read(file: &Path) -> Result<Self, Failure> {
        let cannot = |why: String| {
            Failure::cannot(
                format!("cannot read {}: {why}", file.display()),
                "name a file with a tools/list result, or with definitions, one a line",
            )
        };
        let mut text = String::new();
        let source: Box<dyn Read> = if file == Path::new("-") {
            Box::new(std::io::stdin())
        } else {
            Box::new(std::fs::File::open(file).map_err(|e| cannot(crate::refused::why(&e)))?)
        };
        source
            .take(MOST)
            .read_to_string(&mut text)
            .map_err(|error| cannot(crate::refused::why(&error)))?;
        Ok(Self::of_text(&text))
    }

    /// Each text is one definition.
    pub(in crate::cli) fn of_lines(texts: impl Iterator<Item = String>, server: &str) -> Self {
        let placed = |(at, text)| (format!("tool {}", at + 1), text);
        Self {
            texts: texts.enumerate().map(placed).collect(),
            server: server.to_owned(),
        }
    }

    /// The same, of this server.
    pub(in crate::cli) fn of_server(mut self, server: &str) -> Self {
        server.clone_into(&mut self.server);
        self
    }

    pub(in crate::cli) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts
            .iter()
            .map(|(place, text)| (place.as_str(), text.as_str()))
    }

    /// The server that a definition names, or that of all.
    pub(in crate::cli) fn server_of<'t>(&'t self, tree: &'t Value<'_>) -> &'t str {
        tree.get("server")
            .and_then(Value::as_str)
            .unwrap_or(&self.server)
    }

    pub(in crate::cli) fn unreadable(place: &str, why: &str) -> Failure {
        Failure::no(
            format!("{place}: {why}"),
            "give a tools/list result, or definitions as JSON objects with a `name`, one a line",
        )
    }

    fn of_text(text: &str) -> Self {
        let start = text.trim_start();
        let texts = match parse_first(start, Rules::MESSAGE) {
            Ok((tree, end)) if start.get(end..).unwrap_or_default().trim().is_empty() => {
                whole(&tree, start.as_bytes())
            }
            _ => lines(text),
        };
        Self {
            texts,
            server: String::new(),
        }
    }
}

/// The definitions of one JSON value.
fn whole(tree: &Value<'_>, text: &[u8]) -> Vec<(String, String)> {
    let result = tree.get("result").unwrap_or(tree);
    let list = result.get("tools").unwrap_or(result);
    let text_of = |value: &Value<'_>| String::from_utf8_lossy(value.span.of(text)).into_owned();
    match list.elements() {
        Some(tools) => tools
            .iter()
            .enumerate()
            .map(|(at, tool)| (format!("tool {}", at + 1), text_of(tool)))
            .collect(),
        None => vec![("the definition".to_owned(), text_of(list))],
    }
}

fn lines(text: &str) -> Vec<(String, String)> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(at, line)| (format!("line {}", at + 1), line.to_owned()))
        .collect()
}
