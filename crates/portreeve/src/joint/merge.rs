//! The lists of several servers as one, and who is absent from it.
//!
//! Items keep every byte but their names. What a server says of its list as a whole (`_meta`,
//! members that the protocol does not know) is about that server alone and is left out.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use portreeve_policy::json::Value;
use serde_json::{Value as Json, json};

use super::exchange::{Absent, result_of};
use super::outward::{Renaming, part, quoted};
use crate::budget::in_place_of;
use crate::mcp::revision::Era;
use crate::mcp::{message, splice};
use crate::name::Name;

/// The member of `_meta` that says who is absent, and why.
pub(super) const ABSENT: &str = "portreeve/absent";

/// A list that servers have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Tools,
    Prompts,
    Resources,
    Templates,
    Tasks,
}

impl Kind {
    pub(super) fn of(method: &str) -> Option<Self> {
        Some(match method {
            "tools/list" => Self::Tools,
            "prompts/list" => Self::Prompts,
            "resources/list" => Self::Resources,
            "resources/templates/list" => Self::Templates,
            "tasks/list" => Self::Tasks,
            _ => return None,
        })
    }

    pub(super) const fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Prompts => "prompts/list",
            Self::Resources => "resources/list",
            Self::Templates => "resources/templates/list",
            Self::Tasks => "tasks/list",
        }
    }

    /// The member of the result that holds the list.
    const fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
            Self::Tasks => "tasks",
        }
    }

    /// The capability without which a server has no such list.
    pub(super) const fn capability(self) -> &'static str {
        match self {
            Self::Templates => "resources",
            other => other.member(),
        }
    }

    fn rename(self, to: &mut Renaming<'_>, item: &Value<'_>) {
        match self {
            Self::Tools | Self::Prompts => to.name(item.get("name")),
            Self::Resources => to.uri(item.get("uri")),
            Self::Templates => to.uri(item.get("uriTemplate")),
            Self::Tasks => to.id(item.get("taskId")),
        }
        to.meta(item.get("_meta"));
    }
}

/// What each server gave: nothing, if it has no such thing.
pub(super) type Given = Vec<(Name, Result<Option<Bytes>, Absent>)>;

/// Lists, joined.
#[derive(Debug)]
pub(super) struct Merged {
    kind: Kind,
    items: Vec<Vec<u8>>,
    /// Where each server's list goes on.
    pub cursors: BTreeMap<String, String>,
    pub absent: Absentees,
    ttl: Option<u64>,
    of: Vec<Bytes>,
    /// The names that were given out, and by whom.
    names: HashMap<String, Name>,
}

impl Merged {
    pub(super) fn of(kind: Kind, given: Given, mut seen: impl FnMut(&Name, &str)) -> Self {
        let mut merged = Self {
            kind,
            items: Vec::new(),
            cursors: BTreeMap::new(),
            absent: Absentees::default(),
            ttl: None,
            of: Vec::new(),
            names: HashMap::new(),
        };
        for (server, page) in given {
            let added = match page {
                Ok(Some(page)) => merged.add(&server, page, &mut seen),
                Ok(None) => Ok(()),
                Err(absent) => Err(absent),
            };
            if let Err(absent) = added {
                merged.absent.note(&server, &absent);
            }
        }
        merged
    }

    fn add(
        &mut self,
        server: &Name,
        page: Bytes,
        seen: &mut impl FnMut(&Name, &str),
    ) -> Result<(), Absent> {
        let tree = message::read_tree(&page).map_err(|e| Absent(e.reason))?;
        let Some(result) = result_of(&tree)? else {
            return Ok(());
        };
        for item in result
            .get(self.kind.member())
            .and_then(Value::elements)
            .unwrap_or_default()
        {
            let mut to = Renaming::of(server.as_str());
            self.kind.rename(&mut to, item);
            if let Some(name) = item.get("name").and_then(Value::as_str) {
                seen(server, name);
            }
            if self.is_anothers(server, item) {
                continue;
            }
            self.items.push(part(&page, item.span, to.patches));
        }
        let next = result.get("nextCursor").and_then(Value::as_str);
        if let Some(next) = next.filter(|next| !next.is_empty()) {
            self.cursors.insert(server.to_string(), next.to_owned());
        }
        let ttl = result.get("ttlMs").and_then(Value::as_number);
        let ttl = ttl.and_then(|ttl| ttl.parse().ok()).unwrap_or(0);
        self.ttl = Some(self.ttl.map_or(ttl, |least: u64| least.min(ttl)));
        drop(tree);
        self.of.push(page);
        Ok(())
    }

    /// Whether another server has given out the name that the item would have.
    ///
    /// INVARIANT: a name in a list is one server's
    /// (`a_name_that_two_servers_would_have_is_listed_once`).
    fn is_anothers(&mut self, server: &Name, item: &Value<'_>) -> bool {
        if !matches!(self.kind, Kind::Tools | Kind::Prompts) {
            return false;
        }
        let Some(name) = item.get("name").and_then(Value::as_str) else {
            return false;
        };
        let name = super::names::joined(server.as_str(), name);
        if !super::names::is_shortened(&name) {
            return false;
        }
        let first = self
            .names
            .entry(name.clone())
            .or_insert_with(|| server.clone());
        let anothers = first != server;
        if anothers {
            tracing::error!(%name, %server, other = %first, "two things would have one name behind /mcp");
        }
        anothers
    }

    /// The answer to a request with this id.
    pub(super) fn answer(self, id: &str, era: Era, cursor: Option<&str>) -> Bytes {
        let member = self.kind.member();
        let mut out = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"{member}":"#).into_bytes();
        out.extend(splice::array(self.items.iter().map(Vec::as_slice)));
        if let Some(cursor) = cursor {
            out.extend_from_slice(br#","nextCursor":"#);
            out.extend(quoted(cursor));
        }
        if era == Era::Modern {
            // Who is absent may be back soon.
            let ttl = if self.absent.is_empty() {
                self.ttl.unwrap_or(0)
            } else {
                0
            };
            out.extend_from_slice(
                format!(r#","resultType":"complete","ttlMs":{ttl},"cacheScope":"private""#)
                    .as_bytes(),
            );
        }
        if let Some(meta) = self.absent.meta() {
            out.extend_from_slice(format!(r#","_meta":{meta}"#).as_bytes());
        }
        out.extend_from_slice(b"}}");
        in_place_of(Bytes::from(out), self.of)
    }
}

/// The servers that have no part in an answer, with the reasons.
#[derive(Clone, Debug, Default)]
pub(super) struct Absentees(BTreeMap<String, String>);

impl Absentees {
    pub(super) fn note(&mut self, server: &Name, why: &Absent) {
        tracing::warn!(%server, %why, "has no part in an answer at /mcp");
        self.0.insert(server.to_string(), why.0.clone());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The `_meta` that says so; nothing if nobody is absent.
    pub(super) fn meta(&self) -> Option<Json> {
        (!self.is_empty()).then(|| json!({ ABSENT: self.0 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).expect("a name")
    }

    fn page(server: &str, result: &Json) -> (Name, Result<Option<Bytes>, Absent>) {
        let page = json!({ "jsonrpc": "2.0", "id": 1, "result": result }).to_string();
        (name(server), Ok(Some(Bytes::from(page))))
    }

    #[test]
    fn a_list_is_joined_byte_for_byte_but_its_names() {
        let raw = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[ {"name":"t", "x":1.0,"big":12345678901234567890 }],"nextCursor":"n"}}"#;
        let given = vec![
            (name("a"), Ok(Some(Bytes::from(raw)))),
            page(
                "b",
                &json!({ "tools": [{ "name": "t" }], "nextCursor": "" }),
            ),
            (name("c"), Err(Absent::because("it is down"))),
            (name("d"), Ok(None)),
        ];
        let merged = Merged::of(Kind::Tools, given, |_, _| {});
        assert_eq!(merged.cursors, BTreeMap::from([("a".into(), "n".into())]));
        let answer = merged.answer("7", Era::Legacy, Some("sealed"));
        assert_eq!(
            answer,
            r#"{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"a__t", "x":1.0,"big":12345678901234567890 },{"name":"b__t"}],"nextCursor":"sealed","_meta":{"portreeve/absent":{"c":"it is down"}}}}"#
        );
    }

    #[test]
    fn a_modern_list_lives_as_long_as_its_shortest_part() {
        let given = || {
            vec![
                page(
                    "a",
                    &json!({ "prompts": [], "ttlMs": 500, "cacheScope": "public" }),
                ),
                page("b", &json!({ "prompts": [], "ttlMs": 60 })),
            ]
        };
        let text = |given| {
            let merged = Merged::of(Kind::Prompts, given, |_, _| {});
            String::from_utf8(merged.answer("1", Era::Modern, None).to_vec()).unwrap()
        };
        assert!(
            text(given()).contains(r#""resultType":"complete","ttlMs":60,"cacheScope":"private""#)
        );
        let mut missing = given();
        missing.push((name("c"), Err(Absent::because("down"))));
        assert!(text(missing).contains(r#""ttlMs":0"#));
    }

    #[test]
    fn a_name_that_two_servers_would_have_is_listed_once() {
        let mut merged = Merged::of(Kind::Tools, Vec::new(), |_, _| {});
        let long = "x".repeat(80);
        let cut = super::super::names::joined("a", &long);
        merged.names.insert(cut, name("b"));
        let (_, page) = page(
            "a",
            &json!({ "tools": [{ "name": long }, { "name": "y" }] }),
        );
        merged
            .add(&name("a"), page.unwrap().unwrap(), &mut |_, _| {})
            .unwrap();
        assert_eq!(merged.items.len(), 1);
    }
}
