//! The keys that are about the gate itself.

use std::net::SocketAddr;
use std::path::PathBuf;

use toml::de::{DeTable, DeValue};

use super::reader::{Found, Reader, count, flag, table, text, texts};
use super::{Arguments, Config, Durability, LedgerSettings};

pub(super) fn read(reader: &mut Reader<'_>, root: &DeTable<'_>) -> Config {
    let mut config = Config::default();
    if let Some(address) = address(reader, root, "listen") {
        config.listen = address;
    }
    if let Some(address) = address(reader, root, "admin_listen") {
        config.admin_listen = address;
    }
    if config.listen == config.admin_listen && config.listen.port() != 0 {
        let at = text(root, "admin_listen").map_or(0, |found| found.at);
        let message = "`admin_listen` and `listen` are the same address: give each its own port";
        reader.error(at, message);
    }
    config.data_dir = path(reader, root, "data_dir");
    config.public_url = text(root, "public_url").and_then(|found| public_url(reader, found));
    if let Some(size) = size(reader, root, "max_body") {
        config.max_body = size;
    }
    config.allowed_hosts = checked(reader, root, "allowed_hosts", |host| {
        let authority = host.parse::<http::uri::Authority>().ok()?;
        (!host.contains('@') && !authority.host().is_empty()).then(|| host.to_ascii_lowercase())
    });
    config.allowed_origins = checked(reader, root, "allowed_origins", origin);
    let legacy = table(root, "legacy");
    config.legacy_sse = legacy
        .and_then(|legacy| flag(legacy, "sse"))
        .unwrap_or(false);
    only(reader, root, "store", "sqlite");
    only(reader, root, "counters", "memory");
    if let Some(section) = table(root, "ledger") {
        config.ledger = ledger(reader, section);
    }
    warn_of_nameless(reader, root, &config);
    config
}

/// Whoever listens on every address wants callers from elsewhere, and those call it by a name.
fn warn_of_nameless(reader: &mut Reader<'_>, root: &DeTable<'_>, config: &Config) {
    let is_named = config.public_url.is_some() || !config.allowed_hosts.is_empty();
    let is_tried = ["public_url", "allowed_hosts"].map(|key| root.contains_key(key));
    let listen = text(root, "listen").filter(|_| config.listen.ip().is_unspecified());
    if let Some(found) = listen.filter(|_| !is_named && !is_tried.contains(&true)) {
        reader.warning(
            found.at,
            "`listen` is every address of this machine, but a gateway without a name answers callers on \
             this machine only: set `public_url` to how others reach it, such as \
             \"https://gate.example.com\", or list its names in `allowed_hosts`",
        );
    }
}

/// A path, which starts at the file if it is relative. No shell reads it.
fn path(reader: &mut Reader<'_>, section: &DeTable<'_>, key: &str) -> Option<PathBuf> {
    let found = text(section, key)?;
    if found.value.starts_with('~') {
        let message = format!(
            "`{key}` begins with `~`, which only a shell reads as somebody's home: write the whole path; \
             `./~` begins a name in the file's folder"
        );
        reader.error(found.at, message);
        return None;
    }
    Some(reader.resolve_path(found.value))
}

fn address(reader: &mut Reader<'_>, root: &DeTable<'_>, key: &str) -> Option<SocketAddr> {
    let found = text(root, key)?;
    let address = found.value.parse().ok();
    if address.is_none() {
        reader.error(
            found.at,
            format!(
                "`{key}` must be a numeric address and a port, such as \"127.0.0.1:8787\" or \
                 \"[::]:8787\", not {:?}",
                found.value
            ),
        );
    }
    address
}

fn public_url(reader: &mut Reader<'_>, found: Found<&str>) -> Option<String> {
    let url = origin(found.value.strip_suffix('/').unwrap_or(found.value));
    if url.is_none() {
        reader.error(
            found.at,
            format!(
                "`public_url` must be a scheme and a host without a path, such as \
                 \"https://gate.example.com\", not {}",
                repeated(found.value)
            ),
        );
    }
    url
}

/// What was written, unless there may be a password in it.
fn repeated(written: &str) -> String {
    if written.contains('@') {
        "what is written there".to_owned()
    } else {
        format!("{written:?}")
    }
}

/// `scheme://host[:port]` and nothing more.
fn origin(text: &str) -> Option<String> {
    let (scheme, authority) = text.split_once("://")?;
    let known = ["http", "https"].contains(&scheme);
    let parsed = authority.parse::<http::uri::Authority>().ok()?;
    let plain = !authority.contains('@') && !parsed.host().is_empty();
    (known && plain).then(|| text.to_ascii_lowercase())
}

fn checked(
    reader: &mut Reader<'_>,
    root: &DeTable<'_>,
    key: &str,
    read: impl Fn(&str) -> Option<String>,
) -> Vec<String> {
    let mut good = Vec::new();
    for found in texts(root, key) {
        match read(found.value) {
            Some(value) => good.push(value),
            None => reader.error(
                found.at,
                format!(
                    "`{key}` holds {}, which is none: write {}",
                    repeated(found.value),
                    if key == "allowed_hosts" {
                        "a host such as \"gate.example.com\" or \"gate.example.com:8443\""
                    } else {
                        "a scheme and a host such as \"https://app.example.com\""
                    }
                ),
            ),
        }
    }
    good
}

/// A choice of which this version has one.
fn only(reader: &mut Reader<'_>, root: &DeTable<'_>, section: &str, the_one: &str) {
    let Some(found) = table(root, section).and_then(|table| text(table, "url")) else {
        return;
    };
    if found.value != the_one {
        // The URL may hold a password; its scheme says enough.
        let scheme = found.value.split(':').next().unwrap_or_default();
        reader.error(
            found.at,
            format!(
                "`{section}.url`: `{scheme}` is not supported by this version yet: \
                 write \"{the_one}\", or leave the key out"
            ),
        );
    }
}

fn ledger(reader: &mut Reader<'_>, section: &DeTable<'_>) -> LedgerSettings {
    let mut settings = LedgerSettings::default();
    let word = |key| text(section, key).map(|found| found.value);
    if word("durability") == Some("disk") {
        settings.durability = Durability::Disk;
    }
    settings.arguments = match word("arguments") {
        Some("values") => Arguments::Values,
        Some("none") => Arguments::None,
        _ => Arguments::Keys,
    };
    settings.retain_days = section.get("retain_days").and_then(|v| count(v.get_ref()));
    settings.retain_bytes = size(reader, section, "retain_bytes");
    if let Some(size) = size(reader, section, "segment_bytes") {
        settings.segment_bytes = size;
    }
    settings.anchor_file = path(reader, section, "anchor_file");
    settings
}

/// A number of bytes, at least one.
fn size(reader: &mut Reader<'_>, section: &DeTable<'_>, key: &str) -> Option<u64> {
    let found = section.get(key)?;
    let size = match found.get_ref() {
        DeValue::String(text) => bytes(text),
        number => count(number),
    };
    let size = size.filter(|size| *size > 0);
    if size.is_none() {
        reader.error(
            found.span().start,
            format!("`{key}` must be a number of bytes, or a text such as \"512KiB\" or \"16MiB\""),
        );
    }
    size
}

fn bytes(text: &str) -> Option<u64> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];
    let (number, shift) = units
        .iter()
        .find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)))?;
    let number = number.trim_end();
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}
