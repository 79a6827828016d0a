//! `host_in`: does an http(s) URL lead to one of these hosts?
//!
//! The reader takes an absolute URL only in the spellings that WHATWG (browsers, Node), Python and
//! Go read alike. Addresses compare as addresses, however they are written. It does not resolve
//! names: what a listed name points to is the business of whoever answers for that name.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use unicode_normalization::is_nfkc;

use super::{Doubt, Verdict, check_length, strings, write_list};
use crate::json::Value;
use crate::visible::shown;

/// The hosts of one condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    pattern: Pattern,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Address(IpAddr),
    /// In lower case, without a trailing dot.
    Name(String),
    /// The part after the `*`, with its leading dot.
    Below(String),
}

/// Where a URL leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    pub host: Host<'a>,
    pub port: u16,
}

/// A host as its URL names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host<'a> {
    /// An IPv4-mapped IPv6 address is its IPv4 address.
    Address(IpAddr),
    /// As written, without a trailing dot.
    Name(&'a str),
}

impl Spec {
    /// Reads `["example.com", "*.example.com", "10.0.0.1:8080", "[::1]"]`.
    pub fn compile(value: &Value<'_>) -> Result<Self, String> {
        let texts = strings(value, "hosts")?;
        let entries = texts.into_iter().map(Entry::read);
        Ok(Self {
            entries: entries.collect::<Result<_, _>>()?,
        })
    }

    /// None: the text is in doubt, and refused wherever it stands.
    pub fn holds(&self, text: &str) -> Option<bool> {
        self.judge(text).ok()
    }

    pub fn judge(&self, text: &str) -> Verdict {
        let target = read(text)?;
        let mut named = false;
        for entry in self.entries.iter().filter(|e| e.pattern.is(target.host)) {
            if entry.port.is_none_or(|port| port == target.port) {
                return Ok(true);
            }
            named = true;
        }
        match target.host {
            Host::Name(name) if is_international(name) && !named => Err(Doubt(
                "has a host with letters beyond ASCII that the list does not spell so",
            )),
            _ => Ok(false),
        }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_list(f, self.entries.iter().map(Entry::to_string))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.pattern, self.port) {
            (Pattern::Address(IpAddr::V6(address)), Some(_)) => write!(f, "[{address}]")?,
            (Pattern::Address(address), _) => write!(f, "{address}")?,
            (Pattern::Name(name), _) => f.write_str(name)?,
            (Pattern::Below(parent), _) => write!(f, "*{parent}")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Entry {
    fn read(text: &str) -> Result<Self, String> {
        let bad = |why: &str| {
            let text = shown(text);
            format!(
                "{text} {why}; write `example.com`, `*.example.com`, `10.0.0.1` or `[::1]`, with `:PORT` if it matters"
            )
        };
        if text.contains("://") {
            return Err(bad("is a URL, not a host"));
        }
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Ok(Self {
                pattern: Pattern::Address(IpAddr::V6(address).to_canonical()),
                port: None,
            });
        }
        let below = text.strip_prefix('*');
        let authority = below.unwrap_or(text);
        if authority.ends_with(':') {
            return Err(bad("ends in a colon"));
        }
        let (host, port) = split_port(authority).map_err(|d| bad(d.as_str()))?;
        let pattern = match below {
            Some(_) => {
                let name = host.strip_prefix('.').ok_or_else(|| {
                    bad("has a `*` that does not stand for whole labels at the front")
                })?;
                match pattern(name).map_err(&bad)? {
                    Pattern::Name(name) => Pattern::Below(format!(".{name}")),
                    _ => return Err(bad("puts a `*` before an address")),
                }
            }
            None => pattern(host).map_err(bad)?,
        };
        Ok(Self { pattern, port })
    }
}

/// A host as an author writes it: one plain spelling for each.
fn pattern(text: &str) -> Result<Pattern, &'static str> {
    match read_host(text).map_err(Doubt::as_str)? {
        Host::Address(IpAddr::V4(address)) => {
            if text.parse() == Ok(address) || text.starts_with('[') {
                Ok(Pattern::Address(IpAddr::V4(address)))
            } else {
                Err("is not four plain decimal numbers")
            }
        }
        Host::Address(address) => Ok(Pattern::Address(address)),
        Host::Name(name) => {
            let spelled = |c: char| c.is_ascii() || (c.is_alphanumeric() && !"ßς".contains(c));
            let lower = name.to_lowercase();
            let one_spelling = is_nfkc(name) && name.chars().all(spelled);
            if name.is_ascii() || (one_spelling && lower == name.to_ascii_lowercase()) {
                Ok(Pattern::Name(lower))
            } else {
                Err("is a name that programs translate differently; list its `xn--` form")
            }
        }
    }
}

impl Pattern {
    fn is(&self, host: Host<'_>) -> bool {
        match (self, host) {
            (Self::Address(listed), Host::Address(address)) => *listed == address,
            (Self::Name(listed), Host::Name(name)) => listed.eq_ignore_ascii_case(name),
            (Self::Below(parent), Host::Name(name)) => {
                let labels = name.len().checked_sub(parent.len());
                labels
                    .filter(|len| *len > 0)
                    .and_then(|len| name.split_at_checked(len))
                    .is_some_and(|(labels, rest)| {
                        !is_international(labels) && rest.eq_ignore_ascii_case(parent)
                    })
            }
            _ => false,
        }
    }
}

/// Parsers translate such names by different tables, or refuse them: only a list's spelling counts.
pub fn is_international(name: &str) -> bool {
    let translated = |label: &str| {
        label
            .get(..4)
            .is_some_and(|l| l.eq_ignore_ascii_case("xn--"))
    };
    !name.is_ascii() || name.split('.').any(translated)
}

/// Reads a whole URL and says where it leads.
pub fn read(url: &str) -> Result<Target<'_>, Doubt> {
    check_length(url)?;
    check_characters(url)?;
    let (rest, default_port) = strip_scheme(url)?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at_checked(end).unwrap_or((rest, ""));
    if authority.contains('@') || hides_user(tail) {
        return Err(Doubt("has a user part before its host"));
    }
    let (host, port) = split_port(authority)?;
    Ok(Target {
        host: read_host(host)?,
        port: port.unwrap_or(default_port),
    })
}

/// Readers that end the host only at a slash see a user part in `http://a?@b/` and `http://a#@b/`.
fn hides_user(tail: &str) -> bool {
    tail.split('/').next().is_some_and(|t| t.contains('@'))
}

fn check_characters(url: &str) -> Result<(), Doubt> {
    let plain = |b: u8| b.is_ascii_graphic() && b != b'\\';
    if url.bytes().all(plain) {
        return Ok(());
    }
    if url.contains('\\') {
        return Err(Doubt("has a backslash, which some read as a slash"));
    }
    if url.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(Doubt("has white space or a control character"));
    }
    Ok(())
}

fn strip_scheme(url: &str) -> Result<(&str, u16), Doubt> {
    for (scheme, port) in [("https://", 443), ("http://", 80)] {
        if let Some((start, rest)) = url.split_at_checked(scheme.len())
            && start.eq_ignore_ascii_case(scheme)
        {
            return Ok((rest, port));
        }
    }
    Err(Doubt("is not an absolute http(s) URL"))
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), Doubt> {
    let name_end = authority.rfind(']').unwrap_or(0);
    let (host, port) = match authority.rfind(':') {
        Some(colon) if colon >= name_end => {
            let (host, rest) = authority.split_at_checked(colon).unwrap_or_default();
            (host, rest.strip_prefix(':').unwrap_or_default())
        }
        _ => return Ok((authority, None)),
    };
    if port.is_empty() {
        return Ok((host, None));
    }
    let digits = port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit());
    let number = port.parse().ok().filter(|_| digits);
    number
        .map(|n| (host, Some(n)))
        .ok_or(Doubt("has a port that is no number up to 65535"))
}

fn read_host(text: &str) -> Result<Host<'_>, Doubt> {
    if let Some(inner) = text.strip_prefix('[') {
        let address = inner.strip_suffix(']').and_then(|a| a.parse().ok());
        let address: Ipv6Addr = address.ok_or(Doubt("has no IPv6 address in its brackets"))?;
        return Ok(Host::Address(IpAddr::V6(address).to_canonical()));
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    check_labels(name)?;
    let last = name.rsplit('.').next().unwrap_or_default();
    if is_number(last) {
        let address = read_v4(name).ok_or(Doubt("has a host that is neither address nor name"))?;
        return Ok(Host::Address(IpAddr::V4(address)));
    }
    Ok(Host::Name(name))
}

fn check_labels(name: &str) -> Result<(), Doubt> {
    if name.len() > 253 {
        return Err(Doubt("has a host longer than DNS allows"));
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err(Doubt("has no host, or an empty label in it"));
        }
        if label.len() > 63 {
            return Err(Doubt("has a host label longer than DNS allows"));
        }
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_' || !c.is_ascii();
        if !label.chars().all(letter) {
            return Err(Doubt("has a character in its host that no host has"));
        }
    }
    Ok(())
}

/// A host whose last label is a number is an address to some and a name to others.
fn is_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").or(label.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_hexdigit()),
        None => label.bytes().all(|b| b.is_ascii_digit()),
    }
}

/// One to four numbers, decimal, octal or hex; the last one fills the bytes that are left.
fn read_v4(text: &str) -> Option<Ipv4Addr> {
    let mut parts: Vec<u32> = Vec::with_capacity(4);
    for part in text.split('.') {
        if parts.len() == 4 {
            return None;
        }
        parts.push(read_v4_part(part)?);
    }
    let last = parts.pop()?;
    let mut value: u32 = 0;
    let mut free_bits: u32 = 32;
    for part in parts {
        free_bits = free_bits.checked_sub(8)?;
        value |= u32::from(u8::try_from(part).ok()?).checked_shl(free_bits)?;
    }
    let fits = last.checked_shr(free_bits).is_none_or(|high| high == 0);
    fits.then(|| Ipv4Addr::from(value | last))
}

fn read_v4_part(part: &str) -> Option<u32> {
    let hex = part.strip_prefix("0x").or(part.strip_prefix("0X"));
    match (hex, part.strip_prefix('0')) {
        (Some(digits), _) => u32::from_str_radix(digits, 16).ok(),
        (None, Some(digits)) if !digits.is_empty() => u32::from_str_radix(digits, 8).ok(),
        _ => part.parse().ok(),
    }
}
