//! One URL for all: the servers of a grant behind `/mcp`.
//!
//! Joins what several servers say into one conversation: names that tell them apart, lists that
//! hold the things of all, one session over many. It judges nothing and forwards nothing by itself:
//! it is a client of each server's own way through the gate (`way`), to which it speaks in the
//! server's own names. So a policy sees what it sees at `/mcp/<server>`, and the book has one
//! record for each server that is asked.
//!
//! ```text
//! post        a message, or a batch            → what it is for
//! route       what it names, by the table      → one server; or many, or none
//! many        several servers, side by side, each with a deadline
//! open        the inner sessions, lazily and again
//! lens        what a server says, renamed
//! carry       replies and streams on to the client
//! free        the servers' own streams, as one
//! ```

mod asked;
mod carry;
mod cursor;
mod exchange;
mod free;
mod heard;
mod hello;
mod introductions;
mod lens;
mod lent;
mod list;
mod many;
mod merge;
mod names;
mod notify;
mod open;
mod outward;
mod pause;
mod peer;
mod post;
mod route;
mod runs;
mod seen;
mod sessions;
mod subscribe;
mod table;
mod watched;
mod way;

use std::sync::Arc;

use crate::eras::Eras;
use crate::gate::Gate;
use seen::Seen;
use sessions::Sessions;
use table::Tables;
use way::Way;

/// The servers of each grant as one.
#[derive(Debug)]
pub struct Joint {
    gate: Arc<Gate>,
    way: Way,
    tables: Tables,
    seen: Seen,
    sessions: Sessions,
}

impl Joint {
    pub fn new(gate: Arc<Gate>, eras: Arc<Eras>) -> Arc<Self> {
        Arc::new(Self {
            way: Way::new(eras),
            gate,
            tables: Tables::default(),
            seen: Seen::default(),
            sessions: Sessions::default(),
        })
    }
}
