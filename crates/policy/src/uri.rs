//! Resource URIs in one spelling, so that a rule about one is a rule about its disguises too.
//!
//! What servers read differently (encoded dots and slashes, backslashes, control characters) is
//! not repaired but refused. Rules match the result; the bytes that are forwarded stay as they came.

mod web;

/// The normal spelling, or what makes the URI doubtful.
pub(crate) fn normalise(uri: &str) -> Result<String, &'static str> {
    check_characters(uri)?;
    spell(uri)
}

/// The same for a pattern: `*` and `?` are kept as they are.
pub(crate) fn normalise_glob(pattern: &str) -> Result<String, &'static str> {
    const RUN: char = '\u{1}';
    const ONE: char = '\u{2}';
    check_characters(pattern)?;
    // A pattern that leaves the scheme open has nothing that could be normalised.
    if pattern.starts_with(['*', '?']) {
        return Ok(pattern.to_owned());
    }
    let mask = |c| match c {
        '*' => RUN,
        '?' => ONE,
        c => c,
    };
    let masked: String = pattern.chars().map(mask).collect();
    let unmask = |c| match c {
        RUN => '*',
        ONE => '?',
        c => c,
    };
    Ok(spell(&masked)?.chars().map(unmask).collect())
}

fn check_characters(uri: &str) -> Result<(), &'static str> {
    let doubtful = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
    if uri.contains(doubtful) {
        return Err("it contains white space, a control character or a backslash");
    }
    Ok(())
}

fn spell(uri: &str) -> Result<String, &'static str> {
    let (scheme, rest) = uri.split_once(':').ok_or("it has no scheme")?;
    let scheme_letter = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) || !scheme.chars().all(scheme_letter)
    {
        return Err("it has no scheme");
    }
    let scheme = scheme.to_ascii_lowercase();
    let is_file = scheme == "file";
    let rest = normal_escapes(rest, is_file)?;
    let path_end = rest.find(['?', '#']).unwrap_or(rest.len());
    let (hierarchy, tail) = rest.split_at_checked(path_end).unwrap_or((&rest, ""));
    if is_file && !tail.is_empty() {
        return Err("a file URI has no query and no fragment");
    }
    let is_web = matches!(&*scheme, "http" | "https" | "ws" | "wss");
    if is_web && tail.contains('#') {
        return Err("it has a fragment, which no server is asked for");
    }
    let Some(after) = hierarchy.strip_prefix("//") else {
        if is_web {
            return Err("two slashes and a host must follow its scheme");
        }
        let path = without_dot_segments(hierarchy);
        if !is_file {
            return Ok(format!("{scheme}:{path}{tail}"));
        }
        // `file:/a` is `file:///a` with its empty authority left out.
        if !path.starts_with('/') || path.contains("//") {
            return Err("its path is not absolute, or has an empty segment");
        }
        return Ok(format!("file://{path}"));
    };
    let slash = after.find('/').unwrap_or(after.len());
    let (authority, path) = after.split_at_checked(slash).unwrap_or((after, ""));
    let mut authority = normal_authority(authority);
    if is_web {
        web::check_authority(&scheme, &authority)?;
    }
    if is_file {
        if path.contains("//") {
            return Err("its path has an empty segment");
        }
        if authority == "localhost" {
            authority.clear();
        }
    }
    let path = without_dot_segments(path);
    Ok(format!("{scheme}://{authority}{path}{tail}"))
}

/// The user part is kept byte for byte; letter case of a host means nothing.
fn normal_authority(authority: &str) -> String {
    match authority.rsplit_once('@') {
        Some((user, host)) => format!("{user}@{}", host.to_ascii_lowercase()),
        None => authority.to_ascii_lowercase(),
    }
}

/// Decodes escapes of what needs none, escapes what must be, and writes escapes in upper case.
///
/// Reserved characters keep their escapes, for in a query `%26` is not `&`; in the path of a file
/// there is no such difference.
fn normal_escapes(text: &str, is_file: bool) -> Result<String, &'static str> {
    let mut out = String::with_capacity(text.len());
    let mut parts = text.split('%');
    push_escaped(parts.next().unwrap_or_default(), &mut out);
    for part in parts {
        let (hex, after) = part.split_at_checked(2).ok_or("it has a broken escape")?;
        if !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err("it has a broken escape");
        }
        let byte = u8::from_str_radix(hex, 16).map_err(|_| "it has a broken escape")?;
        match byte {
            b'.' | b'/' | b'\\' | 0..=0x1F | 0x7F => {
                return Err("it has an encoded dot, slash, backslash or control character");
            }
            b'-' | b'_' | b'~' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ if is_file && b"!$&'()*+,;=:@".contains(&byte) => out.push(char::from(byte)),
            _ => push_escape(byte, &mut out),
        }
        push_escaped(after, &mut out);
    }
    Ok(out)
}

/// Writes text that has no escapes, and escapes what a URI must not contain as it is.
fn push_escaped(text: &str, out: &mut String) {
    for c in text.chars() {
        if c.is_ascii() && !"\"<>^`{|}".contains(c) {
            out.push(c);
        } else {
            let mut buffer = [0; 4];
            for byte in c.encode_utf8(&mut buffer).bytes() {
                push_escape(byte, out);
            }
        }
    }
}

fn push_escape(byte: u8, out: &mut String) {
    out.push('%');
    for nibble in [byte >> 4, byte & 0xF] {
        let digit = char::from_digit(u32::from(nibble), 16);
        out.extend(digit.map(|d| d.to_ascii_uppercase()));
    }
}

/// Resolves `.` and `..` in an absolute path; a path without a leading slash has no directories.
fn without_dot_segments(path: &str) -> String {
    let Some(relative) = path.strip_prefix('/') else {
        return path.to_owned();
    };
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_directory = false;
    for segment in relative.split('/') {
        ends_in_directory = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    if ends_in_directory && !kept.is_empty() {
        kept.push("");
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disguises_are_undone() {
        for (uri, normal) in [
            ("file:///etc/passwd", "file:///etc/passwd"),
            ("FILE:///etc/./passwd", "file:///etc/passwd"),
            ("file://localhost/etc/x/../passwd", "file:///etc/passwd"),
            ("file:///%65tc/p%61sswd", "file:///etc/passwd"),
            ("file:///../../etc", "file:///etc"),
            ("file:/etc/./passwd", "file:///etc/passwd"),
            ("https://h:8443/a", "https://h:8443/a"),
            ("file:///etc/.", "file:///etc/"),
            (
                "git+ssh://User@Example.COM/A%2a",
                "git+ssh://User@example.com/A%2A",
            ),
            ("memo:insights", "memo:insights"),
            ("file:///caf\u{e9}%21", "file:///caf%C3%A9!"),
            ("file:///caf%c3%a9!", "file:///caf%C3%A9!"),
            ("x:a?b=%26{c}", "x:a?b=%26%7Bc%7D"),
            ("test://x/a//b?q=%7e#f", "test://x/a//b?q=~#f"),
        ] {
            assert_eq!(normalise(uri).as_deref(), Ok(normal), "{uri}");
        }
    }

    #[test]
    fn patterns_keep_their_wildcards() {
        for (pattern, normal) in [
            ("FILE:///etc/./**", Ok("file:///etc/**")),
            (
                "https://*.Example.com/a?%2a",
                Ok("https://*.example.com/a?%2A"),
            ),
            ("**", Ok("**")),
            ("file*", Err("it has no scheme")),
        ] {
            assert_eq!(
                normalise_glob(pattern).as_deref(),
                normal.as_ref().map(|n| *n),
                "{pattern}"
            );
        }
    }

    #[test]
    fn what_servers_read_differently_is_refused() {
        for uri in [
            "",
            "passwd",
            "1a:b",
            "file:///etc/%2e%2E/passwd",
            "file:///etc%2fpasswd",
            "file:///etc\\passwd",
            "file:///etc%5cpasswd",
            "file:///etc%00",
            "file:///a%",
            "file:///a%zz",
            "file:///a%+1",
            "file:///etc//passwd",
            "file:///etc/passwd#x",
            "file:///etc/passwd?x",
            "file:///a b",
            "file:etc/passwd",
            "file:",
            "file:/etc/passwd?x",
            "https://h:443/a",
            "HTTP://h:80",
            "http://h:/a",
        ] {
            assert!(normalise(uri).is_err(), "{uri}");
        }
    }
}
