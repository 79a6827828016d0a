//! `[[grants]]`.

use std::collections::{BTreeMap, BTreeSet};

use portreeve_policy::time::Timestamp;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::reader::{Found, Reader, entries, table, text};
use super::secrets;
use crate::clock::{self, Clock};
use crate::duration;
use crate::grants::token::{self, Token, TokenError};
use crate::name::{Label, Name, check_identity};
use crate::nearest::did_you_mean;
use crate::store::model::{Kind, NewGrant};

pub(super) fn read(reader: &mut Reader<'_>, root: &DeTable<'_>) -> Vec<NewGrant> {
    let list = root
        .get("grants")
        .and_then(|value| value.get_ref().as_array());
    let mut seen = Seen::default();
    let mut grants = Vec::new();
    for entry in list.into_iter().flat_map(|list| list.iter()) {
        if let Some(grant) = grant(reader, entry, root)
            && seen.is_new(reader, entry.span().start, &grant)
        {
            grants.push(grant);
        }
    }
    grants
}

/// Labels and tokens so far: each opens one grant.
#[derive(Default)]
struct Seen {
    labels: BTreeSet<Label>,
    tokens: BTreeMap<String, Label>,
}

impl Seen {
    fn is_new(&mut self, reader: &mut Reader<'_>, at: usize, grant: &NewGrant) -> bool {
        let label = &grant.label;
        if !self.labels.insert(label.clone()) {
            reader.error(
                at,
                format!("two grants have the label `{label}`: rename one"),
            );
            return false;
        }
        let before = self
            .tokens
            .insert(grant.token_sha256.clone(), label.clone());
        if let Some(other) = before {
            let message = format!("the grants `{other}` and `{label}` have the same token");
            reader.error(at, format!("{message}: give each its own"));
            return false;
        }
        true
    }
}

fn grant(
    reader: &mut Reader<'_>,
    entry: &Spanned<DeValue<'_>>,
    root: &DeTable<'_>,
) -> Option<NewGrant> {
    let section = entry.get_ref().as_table()?;
    let at = entry.span().start;
    let label = label(reader, section, at);
    if let Some(label) = &label {
        reader.declares(at, (Kind::Grant, label.as_str()));
    }
    let token_sha256 = token_hash(reader, section, at);
    let servers = servers(reader, section, at, root);
    let shadows = shadows(reader, section, &servers, root);
    let identity = identity(reader, section);
    let expires_at = expires(reader, section);
    Some(NewGrant {
        label: label?,
        identity,
        token_sha256: token_sha256?,
        servers,
        shadows,
        expires_at,
    })
}

fn label(reader: &mut Reader<'_>, section: &DeTable<'_>, at: usize) -> Option<Label> {
    let Some(found) = text(section, "label") else {
        reader.error(at, "this grant needs a `label`");
        return None;
    };
    match Label::new(found.value) {
        Ok(label) => Some(label),
        Err(error) => {
            reader.error(found.at, error.to_string());
            None
        }
    }
}

fn token_hash(reader: &mut Reader<'_>, section: &DeTable<'_>, at: usize) -> Option<String> {
    match (text(section, "token"), text(section, "token_sha256")) {
        (Some(token), None) => hash_of(reader, token),
        (None, Some(hash)) => {
            let hex = hash.value.to_ascii_lowercase();
            let good = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
            if !good {
                let message = "`token_sha256` must be 64 hexadecimal digits: the output of \
                               `printf %s TOKEN | sha256sum`";
                reader.error(hash.at, message);
            }
            good.then_some(hex)
        }
        (Some(_), Some(_)) => {
            reader.error(
                at,
                "this grant has both `token` and `token_sha256`: keep one",
            );
            None
        }
        (None, None) => {
            let message = "this grant needs `token` (best as \"env:NAME\") or `token_sha256`";
            reader.error(at, message);
            None
        }
    }
}

fn hash_of(reader: &mut Reader<'_>, written: Found<&str>) -> Option<String> {
    let (_, value) = secrets::read(reader, ("token", written.at), written.value)?;
    let value = value.reveal();
    let visible = value.bytes().all(|byte| byte.is_ascii_graphic());
    if !visible || !(32..=256).contains(&value.len()) {
        reader.error(
            written.at,
            "`token` must be 32 to 256 visible ASCII characters: make one with \
             `openssl rand -hex 32`",
        );
        return None;
    }
    if Token::parse(value) == Err(TokenError::BadChecksum) {
        reader.warning(
            written.at,
            "`token` begins like a token of `portreeve grant create`, but its checksum does not \
             fit: was it mistyped or cut?",
        );
    }
    Some(token::sha256(value))
}

fn servers(
    reader: &mut Reader<'_>,
    section: &DeTable<'_>,
    at: usize,
    root: &DeTable<'_>,
) -> BTreeMap<Name, Option<Name>> {
    let Some(written) = table(section, "servers") else {
        let message = "this grant needs `servers`, such as { runs = \"runs\" }: server = policy";
        reader.error(at, message);
        return BTreeMap::new();
    };
    let mut servers = BTreeMap::new();
    for (key, at, _) in entries(written) {
        let Some(policy) = text(written, key) else {
            continue;
        };
        let server = reference(reader, (Kind::Server, key), at, sections(root, "servers"));
        let known = sections(root, "policies");
        let policy = reference(reader, (Kind::Policy, policy.value), policy.at, known);
        if let (Some(server), Some(policy)) = (server, policy) {
            servers.insert(server, Some(policy));
        }
    }
    servers
}

/// The policies that are tried beside those in force.
fn shadows(
    reader: &mut Reader<'_>,
    section: &DeTable<'_>,
    servers: &BTreeMap<Name, Option<Name>>,
    root: &DeTable<'_>,
) -> BTreeMap<Name, Name> {
    let mut shadows = BTreeMap::new();
    let Some(written) = table(section, "shadow") else {
        return shadows;
    };
    for (key, at, _) in entries(written) {
        let Some(policy) = text(written, key) else {
            continue;
        };
        let known = sections(root, "policies");
        let policy = reference(reader, (Kind::Policy, policy.value), policy.at, known);
        match (servers.get_key_value(key), policy) {
            (Some((server, _)), Some(policy)) => drop(shadows.insert(server.clone(), policy)),
            (None, _) => {
                let near = did_you_mean(key, servers.keys().map(Name::as_str));
                let message = format!("`shadow` names `{key}`, which is not among `servers`{near}");
                reader.error(at, message);
            }
            (Some(_), None) => {}
        }
    }
    shadows
}

/// What the file declares, whether it is sound or not: what is wrong with it is told there.
fn sections<'a>(root: &'a DeTable<'_>, key: &str) -> Vec<&'a str> {
    let declared = table(root, key).into_iter().flat_map(entries);
    declared.map(|(name, _, _)| name).collect()
}

/// A name that should be declared somewhere. One that is not here may still be in the store, which
/// is known only when the file is put into force.
fn reference(
    reader: &mut Reader<'_>,
    (kind, written): (Kind, &str),
    at: usize,
    known: Vec<&str>,
) -> Option<Name> {
    match Name::new(written) {
        Ok(name) => {
            if !known.contains(&written) {
                let near = did_you_mean(written, known);
                reader.undeclared(at, (kind, &name), &near);
            }
            Some(name)
        }
        Err(error) => {
            reader.error(at, format!("{kind}: {error}"));
            None
        }
    }
}

fn identity(reader: &mut Reader<'_>, section: &DeTable<'_>) -> Option<String> {
    let found = text(section, "identity")?;
    match check_identity(found.value) {
        Ok(()) => Some(found.value.to_owned()),
        Err(message) => {
            reader.error(found.at, message);
            None
        }
    }
}

fn expires(reader: &mut Reader<'_>, section: &DeTable<'_>) -> Option<Timestamp> {
    let found = section.get("expires")?;
    let time = match found.get_ref() {
        DeValue::String(text) => clock::parse_end(text),
        DeValue::Datetime(time) => clock::parse_end(&time.to_string()),
        _ => None,
    };
    if time.is_none() {
        let mut message =
            "`expires` must be a date or a time with its zone, such as 2027-01-31 or 2027-01-31T18:00:00Z"
                .to_owned();
        // It would begin anew whenever the file is read, and never end.
        if let DeValue::String(text) = found.get_ref()
            && let Ok(span) = duration::parse(text)
        {
            let end = Clock::system()
                .now()
                .plus(i64::try_from(span.as_millis()).unwrap_or(i64::MAX));
            let end = clock::rfc3339(end);
            let day = end.split('T').next().unwrap_or_default();
            message = format!(
                "`expires` must be a date or a time: a file does not say from when {text:?} counts; from \
                 today that is {day}"
            );
        }
        reader.error(found.span().start, message);
    }
    time
}
