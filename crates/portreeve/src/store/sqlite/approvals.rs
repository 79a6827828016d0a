//! Rows of calls that wait for people.
//!
//! What goes to the server is sealed with the approval's id beside it, and deleted when the
//! approval ends.

use portreeve_policy::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::name::Label;
use crate::store::approval::{Approval, NewApproval, NoVote, Says, State, Vote, settled};
use crate::store::person::Person;
use crate::store::{Asked, Sealer, StoreError};

const COLUMNS: &str = "id, binding, grant_name, identity, server, method, subject, params, policy, \
                       needs, asked_at, expires_at, state, votes, ended_at";

/// How many calls of one grant may wait at a time, and how many in all.
const MOST_OF_A_GRANT: i64 = 100;
const MOST: i64 = 10_000;

/// How many are listed at most, the newest first.
const LISTED: i64 = 1_000;

/// How long an ended approval can still be looked at.
const KEPT_MS: i64 = 90 * 24 * 60 * 60 * 1_000;

fn aad(id: &str) -> Vec<u8> {
    format!("portreeve approval 1\0{id}").into_bytes()
}

fn corrupt(id: &str) -> StoreError {
    StoreError::Corrupt {
        what: format!("the approval {id}"),
    }
}

fn written<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Unavailable(error.to_string()))
}

fn readable<T: DeserializeOwned>(id: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| corrupt(id))
}

/// A row with what is not yet read of it.
struct Raw {
    approval: Approval,
    sealed: Option<Vec<u8>>,
    needs: String,
    votes: String,
}

fn read(row: &Row<'_>) -> rusqlite::Result<Raw> {
    let approval = Approval {
        id: row.get(0)?,
        asked: NewApproval {
            binding: row.get(1)?,
            grant: row.get(2)?,
            identity: row.get(3)?,
            server: row.get(4)?,
            method: row.get(5)?,
            subject: row.get(6)?,
            params: None,
            policy: row.get(8)?,
            needs: Vec::new(),
            expires_at: Timestamp(row.get(11)?),
        },
        asked_at: Timestamp(row.get(10)?),
        state: row.get(12)?,
        votes: Vec::new(),
        ended_at: row.get::<_, Option<i64>>(14)?.map(Timestamp),
    };
    Ok(Raw {
        approval,
        sealed: row.get(7)?,
        needs: row.get(9)?,
        votes: row.get(13)?,
    })
}

impl Raw {
    fn open(self, sealer: &dyn Sealer) -> Result<Approval, StoreError> {
        let mut approval = self.approval;
        approval.asked.needs = readable(&approval.id, &self.needs)?;
        approval.votes = readable(&approval.id, &self.votes)?;
        if let Some(sealed) = self.sealed {
            let plain = sealer.open(&aad(&approval.id), &sealed);
            let plain = plain.map_err(|_| corrupt(&approval.id))?;
            let plain = String::from_utf8(plain).map_err(|_| corrupt(&approval.id))?;
            approval.asked.params = Some(plain);
        }
        Ok(approval)
    }
}

fn find(
    db: &Connection,
    sealer: &dyn Sealer,
    (condition, value): (&str, &str),
) -> Result<Option<Approval>, StoreError> {
    let query = format!("SELECT {COLUMNS} FROM approvals WHERE {condition}");
    let found = db
        .prepare_cached(&query)?
        .query_row([value], read)
        .optional()?;
    found.map(|raw| raw.open(sealer)).transpose()
}

pub(super) fn one(
    db: &Connection,
    sealer: &dyn Sealer,
    id: &str,
) -> Result<Option<Approval>, StoreError> {
    find(db, sealer, ("id = ?1", id))
}

pub(super) fn all(
    db: &Connection,
    sealer: &dyn Sealer,
    live_only: bool,
) -> Result<Vec<Approval>, StoreError> {
    let mut query = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM approvals WHERE live OR NOT ?1
         ORDER BY asked_at DESC, id LIMIT {LISTED}"
    ))?;
    let rows = query.query_map([live_only], read)?;
    rows.map(|raw| raw?.open(sealer)).collect()
}

/// Puts a call before people, or joins the entry of the same call.
pub(super) fn ask(
    db: &Connection,
    sealer: &dyn Sealer,
    new: (String, NewApproval),
    at: Timestamp,
) -> Result<Asked, StoreError> {
    let (id, new) = new;
    end_late(db, sealer, at)?;
    if let Some(known) = find(db, sealer, ("live AND binding = ?1", &new.binding))? {
        return join(db, known, &new).map(|approval| Asked {
            approval,
            is_new: false,
        });
    }
    check_room(db, &new.grant)?;
    let hidden = match &new.params {
        Some(params) => Some(
            sealer
                .seal(&aad(&id), params.as_bytes())
                .map_err(|error| StoreError::Unavailable(error.to_string()))?,
        ),
        None => None,
    };
    db.execute(
        "INSERT INTO approvals (id, binding, grant_name, identity, server, method, subject, params,
                                policy, needs, asked_at, expires_at, state, votes, live)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 'waiting', '[]', 1)",
        params![
            id,
            new.binding,
            new.grant,
            new.identity,
            new.server,
            new.method,
            new.subject,
            hidden,
            new.policy,
            written(&new.needs)?,
            at.0,
            new.expires_at.0,
        ],
    )?;
    Ok(Asked {
        approval: Approval {
            id,
            asked: new,
            asked_at: at,
            state: State::Waiting,
            votes: Vec::new(),
            ended_at: None,
        },
        is_new: true,
    })
}

/// The same call again. Were its rules others than those people answered to, they are asked anew.
fn join(db: &Connection, mut known: Approval, new: &NewApproval) -> Result<Approval, StoreError> {
    let sooner = known.asked.expires_at.min(new.expires_at);
    if known.asked.needs == new.needs && known.asked.expires_at == sooner {
        return Ok(known);
    }
    if known.asked.needs != new.needs {
        known.asked.needs.clone_from(&new.needs);
        known.asked.policy.clone_from(&new.policy);
        known.votes.clear();
        known.state = State::Waiting;
    }
    known.asked.expires_at = sooner;
    db.execute(
        "UPDATE approvals SET needs = ?2, policy = ?3, votes = ?4, state = ?5, expires_at = ?6
         WHERE id = ?1",
        params![
            known.id,
            written(&known.asked.needs)?,
            known.asked.policy,
            written(&known.votes)?,
            known.state,
            sooner.0,
        ],
    )?;
    Ok(known)
}

fn check_room(db: &Connection, grant: &Label) -> Result<(), StoreError> {
    let count = |condition: &str| -> rusqlite::Result<i64> {
        let query = format!(
            "SELECT count(*) FROM approvals
             WHERE live AND state = 'waiting' AND (?1 = grant_name {condition})"
        );
        db.prepare_cached(&query)?
            .query_row([grant], |row| row.get(0))
    };
    if count("")? >= MOST_OF_A_GRANT || count("OR 1")? >= MOST {
        return Err(StoreError::TooManyWait {
            grant: grant.to_string(),
        });
    }
    Ok(())
}

/// What one person says.
pub(super) fn vote(
    db: &Connection,
    sealer: &dyn Sealer,
    id: &str,
    (person, says, reason): (&Person, Says, Option<String>),
    at: Timestamp,
) -> Result<Result<Approval, NoVote>, StoreError> {
    let missing = || StoreError::NoSuchApproval { id: id.to_owned() };
    let mut approval = one(db, sealer, id)?.ok_or_else(missing)?;
    let counts_for = match approval.may_vote(person, at) {
        Ok(places) => places,
        Err(no) => return Ok(Err(no)),
    };
    approval.votes.retain(|vote| vote.person != person.name);
    approval.votes.push(Vote {
        person: person.name.clone(),
        says,
        reason,
        counts_for,
        at: at.0,
        taken_back: false,
    });
    approval.state = settled(&approval.asked.needs, &approval.votes);
    keep_votes(db, &approval)?;
    Ok(Ok(approval))
}

fn keep_votes(db: &Connection, approval: &Approval) -> Result<(), StoreError> {
    db.execute(
        "UPDATE approvals SET votes = ?2, state = ?3 WHERE id = ?1",
        params![approval.id, written(&approval.votes)?, approval.state],
    )?;
    Ok(())
}

/// Takes back what one person said. From here on [`take`] finds nothing that is approved.
pub(super) fn withdraw(
    db: &Connection,
    sealer: &dyn Sealer,
    (id, person): (&str, &Person),
    at: Timestamp,
) -> Result<Result<Approval, NoVote>, StoreError> {
    let missing = || StoreError::NoSuchApproval { id: id.to_owned() };
    let mut approval = one(db, sealer, id)?.ok_or_else(missing)?;
    let may = approval.may_withdraw(person, at);
    if matches!(may, Ok(()) | Err(NoVote::Over(State::Used))) {
        approval.withdraw(person);
        keep_votes(db, &approval)?;
    }
    Ok(may.map(|()| approval))
}

/// Takes the one call that an approval is good for. `false`: it is good for none.
///
/// INVARIANT: an approval is used once (`an_approval_is_used_once`).
pub(super) fn take(
    db: &Connection,
    (id, binding): (&str, &str),
    at: Timestamp,
) -> Result<bool, StoreError> {
    let taken = db.execute(
        "UPDATE approvals SET state = 'used', live = 0, ended_at = ?3, params = NULL
         WHERE id = ?1 AND binding = ?2 AND live AND state = 'approved' AND expires_at > ?3",
        params![id, binding, at.0],
    )?;
    Ok(taken == 1)
}

/// Undoes [`take`] for a call that surely never reached its server.
pub(super) fn give_back(
    db: &Connection,
    sealer: &dyn Sealer,
    (id, params): (&str, &str),
) -> Result<bool, StoreError> {
    let hidden = sealer
        .seal(&aad(id), params.as_bytes())
        .map_err(|error| StoreError::Unavailable(error.to_string()))?;
    let given = db.execute(
        "UPDATE approvals SET state = 'approved', live = 1, ended_at = NULL, params = ?2
         WHERE id = ?1 AND state = 'used'
           AND NOT EXISTS (SELECT 1 FROM approvals AS other
                           WHERE other.live AND other.binding = approvals.binding)",
        params![id, hidden],
    )?;
    if given != 1 {
        return Ok(false);
    }
    // Whoever took it back while the call was on its way has not approved the next one.
    if let Some(mut approval) = one(db, sealer, id)? {
        approval.state = settled(&approval.asked.needs, &approval.votes);
        keep_votes(db, &approval)?;
    }
    Ok(true)
}

/// Ends what is too late, and returns what ended without an answer or without its use.
pub(super) fn end_late(
    db: &Connection,
    sealer: &dyn Sealer,
    at: Timestamp,
) -> Result<Vec<Approval>, StoreError> {
    let late: Vec<Approval> = {
        let mut query = db.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM approvals WHERE live AND expires_at <= ?1"
        ))?;
        let rows = query.query_map([at.0], read)?;
        rows.map(|raw| raw?.open(sealer))
            .collect::<Result<_, _>>()?
    };
    if late.is_empty() {
        return Ok(late);
    }
    db.execute(
        "UPDATE approvals
         SET live = 0, params = NULL, ended_at = expires_at,
             state = CASE state WHEN 'denied' THEN 'denied' ELSE 'expired' END
         WHERE live AND expires_at <= ?1",
        [at.0],
    )?;
    db.execute(
        "DELETE FROM approvals WHERE NOT live AND ended_at < ?1",
        [at.0.saturating_sub(KEPT_MS)],
    )?;
    let unanswered = |approval: &Approval| approval.state != State::Denied;
    Ok(late.into_iter().filter(unanswered).collect())
}
