//! Telling other languages from JSON, by the first lines that say something.

/// The language that `text` looks like, if it is not JSON's, and where it begins.
pub(super) fn other_than_json(text: &str) -> Option<(usize, &'static str)> {
    let mut lines = significant(text);
    let (at, first) = lines.next()?;
    let language = if first.starts_with('<') {
        "XML or HTML"
    } else if first == "---" || first.starts_with("--- ") {
        "YAML"
    } else if is_assignment(first)
        || is_section(first) && lines.next().is_none_or(|(_, line)| is_toml(line))
    {
        "TOML"
    } else if first.starts_with("- ") || is_mapping(first) {
        "YAML"
    } else {
        return None;
    };
    Some((at, language))
}

/// The lines that are neither empty nor a comment, with the byte at which what they say begins.
fn significant(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0_usize;
    let lines = text.split_inclusive('\n').map(move |line| {
        let indented = line.len().saturating_sub(line.trim_start().len());
        let begins = at.saturating_add(indented);
        at = at.saturating_add(line.len());
        (begins, line.trim())
    });
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn is_toml(line: &str) -> bool {
    is_section(line) || is_assignment(line)
}

/// `[name]` or `[[name]]`, alone.
fn is_section(line: &str) -> bool {
    let inner = line.strip_prefix('[').and_then(|l| l.strip_suffix(']'));
    inner.is_some_and(|inner| {
        let inner = inner.strip_prefix('[').unwrap_or(inner);
        let name = inner.strip_suffix(']').unwrap_or(inner);
        // A list of numbers, or of words that are JSON's own, is JSON.
        name.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && !matches!(name, "true" | "false" | "null")
            && name.chars().all(|c| is_of_key(c) || "\"' ".contains(c))
    })
}

fn is_of_key(c: char) -> bool {
    c.is_alphanumeric() || "_-.@*".contains(c)
}

/// `key = …`
fn is_assignment(line: &str) -> bool {
    line.split_once('=')
        .is_some_and(|(key, _)| is_key(key.trim_end()))
}

/// `key: …`, but not the inside of an object that lost its braces, which has commas.
fn is_mapping(line: &str) -> bool {
    let Some((key, value)) = line.split_once(':') else {
        return false;
    };
    let quoted = key.starts_with('"');
    let own_line = value.is_empty() || value.starts_with(' ');
    is_key(key) && own_line && !(quoted && line.ends_with(','))
}

fn is_key(text: &str) -> bool {
    let bare = ["\"", "'"].iter().find_map(|quote| {
        let inner = text.strip_prefix(quote)?;
        inner.strip_suffix(quote)
    });
    let bare = bare.unwrap_or(text);
    !bare.is_empty() && bare.chars().all(is_of_key)
}
