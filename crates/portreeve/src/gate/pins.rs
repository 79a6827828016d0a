//! Which of a server's tools may be called, by the definitions that were accepted.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use portreeve_policy::json::{Rules, parse};
use portreeve_policy::{Pin as Standing, Schema, Subject, ToolFacts, Traits};
use portreeve_risk::scan::Names;

use super::brings::{Labels, labels_of};
use crate::store::model::{Accept, Definition, MAX_PINS, Nature, NewTools, Pin, PinState, Server};
use crate::upstream::MAX_NAME;
use crate::verdicts;

/// A server's pins as the gate asks them.
#[derive(Debug)]
pub struct Board {
    pins: HashMap<String, Pin>,
    /// The input schemas of the tools that may be called, as far as they can be read.
    schemas: HashMap<String, Schema>,
    /// What an answer of each pinned tool tells its reader.
    labels: HashMap<String, Labels>,
    /// Whether names that came after the first list are left to the policy.
    judge_new: bool,
    first_list: FirstList,
}

/// Where a server stands with its first tool list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstList {
    /// Taken, or a person has looked at it.
    Accepted,
    /// To be taken as it is as soon as the server can be asked.
    ToBeTaken,
    /// Waits for a person.
    ForAPerson,
}

impl Board {
    pub fn new(server: &Server, pins: Vec<Pin>) -> Self {
        let first_list = match (server.first_list_accepted, server.accept) {
            (true, _) => FirstList::Accepted,
            (false, Accept::First) => FirstList::ToBeTaken,
            (false, Accept::Manual) => FirstList::ForAPerson,
        };
        Self {
            labels: pins.iter().map(named_labels).collect(),
            schemas: pins.iter().filter_map(named_schema).collect(),
            pins: pins
                .into_iter()
                .map(|pin| (pin.tool.clone(), pin))
                .collect(),
            judge_new: server.new_tools == NewTools::Judge && first_list == FirstList::Accepted,
            first_list,
        }
    }

    pub const fn first_list(&self) -> FirstList {
        self.first_list
    }

    /// The names of all tools that have a pin.
    pub fn tools(&self) -> impl Iterator<Item = &str> {
        self.pins.keys().map(String::as_str)
    }

    /// The standing of a tool that is called.
    pub fn of_call(&self, tool: &str) -> Standing {
        match self.pins.get(tool).map(|pin| &pin.state) {
            Some(PinState::Accepted) => Standing::Pinned,
            Some(PinState::Changed { .. }) => Standing::Unpinned,
            Some(PinState::New) if self.is_held(tool) => Standing::Unpinned,
            Some(PinState::New) => self.of_newcomer(),
            // No definition has a longer name, and what is called may be kept in mind.
            None if tool.len() > MAX_NAME => Standing::Unpinned,
            None => self.of_unknown(),
        }
    }

    /// What is known of a tool beyond its name.
    pub fn traits_of(&self, tool: &str) -> Traits<'_> {
        let nature = self.pins.get(tool).and_then(|pin| pin.opinion.nature);
        traits(nature, self.schemas.get(tool))
    }

    /// What an answer of the tool tells its reader.
    pub(super) fn labels_of(&self, tool: &ToolFacts<'_>) -> Labels {
        match self.labels.get(tool.name) {
            Some(labels) => Arc::clone(labels),
            None => labels_of(&Subject::Tool(*tool)),
        }
    }

    /// The standing of a tool that is listed with this very definition.
    pub fn of_listed(&self, definition: &Definition) -> Standing {
        match self.pins.get(&definition.tool) {
            Some(pin) if pin.hash == definition.hash => self.of_call(&definition.tool),
            Some(_) => Standing::Unpinned,
            // Not noted yet: what would be held is not shown meanwhile.
            None => match self.of_unknown() {
                Standing::Judged if is_poison(definition) => Standing::Unpinned,
                standing => standing,
            },
        }
    }

    fn is_held(&self, tool: &str) -> bool {
        let pin = self.pins.get(tool);
        pin.is_some_and(|pin| pin.opinion.held.is_some())
    }

    const fn of_newcomer(&self) -> Standing {
        if self.judge_new {
            Standing::Judged
        } else {
            Standing::Unpinned
        }
    }

    /// What cannot be noted any more cannot be held to its definition either.
    fn of_unknown(&self) -> Standing {
        if self.is_full() {
            Standing::Unpinned
        } else {
            self.of_newcomer()
        }
    }

    fn is_full(&self) -> bool {
        self.pins.len() >= MAX_PINS
    }

    /// Whether a tool that may be called is seen with another definition than the one it may be
    /// called by. Other news can wait: what it is about may not be called.
    pub fn is_broken_by(&self, definition: &Definition) -> bool {
        self.pins
            .get(&definition.tool)
            .is_some_and(|pin| match pin.state {
                PinState::Accepted => pin.hash != definition.hash,
                PinState::New => self.judge_new && pin.hash != definition.hash,
                PinState::Changed { .. } => false,
            })
    }

    /// Whether each tool that may be called is among these.
    pub(super) fn is_covered_by(&self, seen: &[&Definition]) -> bool {
        let seen: HashSet<&str> = seen.iter().map(|d| d.tool.as_str()).collect();
        let callable = |pin: &&Pin| match pin.state {
            PinState::Accepted => true,
            PinState::New => self.judge_new,
            PinState::Changed { .. } => false,
        };
        let mut callable = self.pins.values().filter(callable);
        callable.all(|pin| seen.contains(pin.tool.as_str()))
    }

    /// The definition that a tool is pinned with.
    pub fn definition(&self, tool: &str) -> Option<&str> {
        self.pins.get(tool).map(|pin| pin.definition.as_str())
    }

    /// The hash of the definition that a tool is pinned with.
    pub(super) fn hash_of(&self, tool: &str) -> Option<&str> {
        self.pins.get(tool).map(|pin| pin.hash.as_str())
    }

    /// Whether the board would change by seeing this definition.
    pub fn is_news(&self, definition: &Definition) -> bool {
        match self.pins.get(&definition.tool) {
            None => !self.is_full(),
            Some(pin) => match &pin.state {
                PinState::Accepted | PinState::New => pin.hash != definition.hash,
                PinState::Changed { hash, .. } => *hash != definition.hash,
            },
        }
    }
}

fn is_poison(definition: &Definition) -> bool {
    let opinion = verdicts::opinion(&definition.text, "", &Names::default());
    opinion.held.is_some()
}

fn named_labels(pin: &Pin) -> (String, Labels) {
    let traits = traits(pin.opinion.nature, None);
    let tool = ToolFacts::new(&pin.tool, Standing::Pinned).with(traits);
    (pin.tool.clone(), labels_of(&Subject::Tool(tool)))
}

fn traits(nature: Option<Nature>, schema: Option<&Schema>) -> Traits<'_> {
    match nature {
        Some(Nature { class, also, bits }) => Traits {
            class,
            also,
            bits,
            schema,
        },
        None => Traits {
            schema,
            ..Traits::UNKNOWN
        },
    }
}

/// The tool and its input schema; a tool whose definition changed has none until it is accepted.
fn named_schema(pin: &Pin) -> Option<(String, Schema)> {
    if matches!(pin.state, PinState::Changed { .. }) {
        return None;
    }
    let definition = parse(pin.definition.as_bytes(), Rules::MESSAGE).ok()?;
    let schema = Schema::read(definition.get("inputSchema")?);
    Some((pin.tool.clone(), schema))
}
