//! Rows of pins: which definitions were accepted, and which wait.

use std::collections::{BTreeMap, BTreeSet};

use portreeve_policy::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::opinion::{self, Written};
use crate::name::Name;
use crate::store::StoreError;
use crate::store::model::{
    Accepting, Drift, DriftKind, Judged, Kind, MAX_PINS, NewTools, Opinion, Pin, PinState,
};

const COLUMNS: &str = "server, tool, hash, definition, state, changed_hash, changed_definition, \
                       first_seen, accepted_at";
const OPINION: &str = opinion::COLUMNS;

fn read(row: &Row<'_>) -> rusqlite::Result<Pin> {
    let state: String = row.get(4)?;
    Ok(Pin {
        server: row.get(0)?,
        tool: row.get(1)?,
        hash: row.get(2)?,
        definition: row.get(3)?,
        state: match state.as_str() {
            "accepted" => PinState::Accepted,
            "changed" => PinState::Changed {
                hash: row.get(5)?,
                definition: row.get(6)?,
            },
            // The table allows three words; a fourth would be treated as the one that refuses.
            _ => PinState::New,
        },
        first_seen: Timestamp(row.get(7)?),
        accepted_at: row.get::<_, Option<i64>>(8)?.map(Timestamp),
        opinion: opinion::read(row, 9)?,
    })
}

pub(super) fn all(db: &Connection) -> Result<Vec<Pin>, StoreError> {
    let mut query = db.prepare_cached(&format!(
        "SELECT {COLUMNS}, {OPINION} FROM pins ORDER BY server, tool"
    ))?;
    let rows = query.query_map([], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn of(db: &Connection, server: &Name) -> Result<Vec<Pin>, StoreError> {
    let mut query = db.prepare_cached(&format!(
        "SELECT {COLUMNS}, {OPINION} FROM pins WHERE server = ?1 ORDER BY tool"
    ))?;
    let rows = query.query_map([server], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn write(db: &Connection, pin: &Pin) -> Result<(), StoreError> {
    let (state, changed) = match &pin.state {
        PinState::Accepted => ("accepted", None),
        PinState::New => ("new", None),
        PinState::Changed { hash, definition } => ("changed", Some((hash, definition))),
    };
    let Written { class, also, bits } = opinion::write(pin.opinion.nature);
    db.prepare_cached(
        "INSERT OR REPLACE INTO pins
             (server, tool, hash, definition, state, changed_hash, changed_definition,
              first_seen, accepted_at, class, also, bits, judge, held)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?
    .execute(params![
        pin.server,
        pin.tool,
        pin.hash,
        pin.definition,
        state,
        changed.map(|(hash, _)| hash),
        changed.map(|(_, definition)| definition),
        pin.first_seen.0,
        pin.accepted_at.map(|at| at.0),
        class,
        also,
        bits,
        pin.opinion.judge,
        pin.opinion.held
    ])?;
    Ok(())
}

pub(super) fn accept_first(
    db: &Connection,
    server: &Name,
    list: Vec<Judged>,
    at: Timestamp,
) -> Result<bool, StoreError> {
    if taken(db, server)? {
        return Ok(false);
    }
    let mut known: BTreeSet<String> = of(db, server)?.into_iter().map(|pin| pin.tool).collect();
    for seen in list {
        // What waits already was seen under other rules; it goes on waiting. Of two definitions
        // under one name the first counts.
        if known.insert(seen.definition.tool.clone()) {
            let mut pin = fresh(server, seen, at);
            if pin.opinion.held.is_none() {
                pin.state = PinState::Accepted;
                pin.accepted_at = Some(at);
            }
            write(db, &pin)?;
        }
    }
    mark_taken(db, server)?;
    Ok(true)
}

fn taken(db: &Connection, server: &Name) -> Result<bool, StoreError> {
    db.prepare_cached("SELECT first_list_accepted FROM servers WHERE name = ?1")?
        .query_row([server], |row| row.get(0))
        .optional()?
        .ok_or_else(|| StoreError::Missing {
            kind: Kind::Server,
            name: server.to_string(),
        })
}

fn new_tools(db: &Connection, server: &Name) -> Result<NewTools, StoreError> {
    db.prepare_cached("SELECT new_tools FROM servers WHERE name = ?1")?
        .query_row([server], |row| row.get(0))
        .optional()?
        .ok_or_else(|| StoreError::Missing {
            kind: Kind::Server,
            name: server.to_string(),
        })
}

fn mark_taken(db: &Connection, server: &Name) -> Result<(), StoreError> {
    db.execute(
        "UPDATE servers SET first_list_accepted = 1 WHERE name = ?1",
        [server],
    )?;
    Ok(())
}

fn fresh(server: &Name, seen: Judged, at: Timestamp) -> Pin {
    let Judged {
        definition,
        opinion,
    } = seen;
    Pin {
        server: server.clone(),
        tool: definition.tool,
        hash: definition.hash,
        definition: definition.text,
        state: PinState::New,
        first_seen: at,
        accepted_at: None,
        opinion,
    }
}

pub(super) fn observe(
    db: &Connection,
    server: &Name,
    list: Vec<Judged>,
    at: Timestamp,
) -> Result<Vec<Drift>, StoreError> {
    let judged = new_tools(db, server)? == NewTools::Judge;
    let mut pins: BTreeMap<String, Pin> = of(db, server)?
        .into_iter()
        .map(|pin| (pin.tool.clone(), pin))
        .collect();
    let mut drifts = Vec::new();
    for seen in list {
        let tool = seen.definition.tool.clone();
        let hash = seen.definition.hash.clone();
        let (pin, kind) = match pins.remove(&tool) {
            None if pins.len() >= MAX_PINS => continue,
            None => (fresh(server, seen, at), Some(DriftKind::Appeared)),
            Some(pin) => compare(pin, seen, judged),
        };
        if let Some(kind) = kind {
            write(db, &pin)?;
            drifts.push(Drift {
                tool: tool.clone(),
                kind,
                hash,
            });
        }
        // A list that names a tool twice is compared with what the first mention left.
        pins.insert(tool, pin);
    }
    Ok(drifts)
}

/// The pin after its tool was seen with this definition, and what that changed. Where new names are
/// left to the policy (`judged`), a new tool is held to the definition it came with.
fn compare(mut pin: Pin, seen: Judged, judged: bool) -> (Pin, Option<DriftKind>) {
    let Judged {
        definition: seen,
        opinion,
    } = seen;
    if pin.waiting() == Some(&seen.hash) {
        return (pin, None);
    }
    match pin.state {
        PinState::Accepted if pin.hash == seen.hash => (pin, None),
        PinState::Changed { .. } if pin.hash == seen.hash => {
            // What nobody accepted is new again, not accepted.
            pin.state = match pin.accepted_at {
                Some(_) => PinState::Accepted,
                None => PinState::New,
            };
            (pin, Some(DriftKind::Restored))
        }
        PinState::New if !judged => {
            pin.hash = seen.hash;
            pin.definition = seen.text;
            // A verdict is about one definition.
            pin.opinion = opinion;
            (pin, Some(DriftKind::Changed))
        }
        PinState::New | PinState::Accepted | PinState::Changed { .. } => {
            pin.state = PinState::Changed {
                hash: seen.hash,
                definition: seen.text,
            };
            (pin, Some(DriftKind::Changed))
        }
    }
}

pub(super) fn accept(
    db: &Connection,
    server: &Name,
    which: &Accepting,
    at: Timestamp,
) -> Result<Vec<Pin>, StoreError> {
    taken(db, server)?;
    let pins = of(db, server)?;
    let mut accepted = Vec::new();
    for pin in chosen(server, &pins, which)? {
        let mut pin = pin.clone();
        if let PinState::Changed { hash, definition } = pin.state {
            pin.hash = hash;
            pin.definition = definition;
        }
        pin.opinion = Opinion::default();
        pin.state = PinState::Accepted;
        pin.accepted_at = Some(at);
        write(db, &pin)?;
        accepted.push(pin);
    }
    if !pins.is_empty() {
        // A person has looked: from now on nothing is taken unseen.
        mark_taken(db, server)?;
    }
    Ok(accepted)
}

/// Those of the chosen pins that wait; a name that is not known is an error.
fn chosen<'a>(
    server: &Name,
    pins: &'a [Pin],
    which: &Accepting,
) -> Result<Vec<&'a Pin>, StoreError> {
    let find = |tool: &String| {
        pins.iter()
            .find(|pin| pin.tool == *tool)
            .ok_or_else(|| StoreError::NoSuchTool {
                server: server.to_string(),
                tool: tool.clone(),
            })
    };
    let chosen: Vec<&Pin> = match which {
        Accepting::All => pins.iter().collect(),
        Accepting::Tools(tools) => tools.iter().map(find).collect::<Result<_, _>>()?,
        Accepting::Seen(seen) => {
            let check = |(tool, hash): &(String, String)| {
                let pin = find(tool)?;
                // INVARIANT: what is accepted is what was looked at.
                if pin.waiting().unwrap_or(&pin.hash) == hash {
                    Ok(pin)
                } else {
                    Err(StoreError::Moved {
                        server: server.to_string(),
                        tool: tool.clone(),
                    })
                }
            };
            seen.iter().map(check).collect::<Result<_, _>>()?
        }
    };
    Ok(chosen
        .into_iter()
        .filter(|pin| pin.waiting().is_some())
        .collect())
}
