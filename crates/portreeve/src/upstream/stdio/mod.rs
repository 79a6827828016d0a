//! Servers that are processes and speak in lines over their standard streams.
//!
//! ```text
//! server    which process serves which request        launch    what a process is started with
//! child     one process, from the gate's side         children  all of them, and their bounds
//! mux       whom a message belongs to (outlet, past,  process   started, ended, reaped
//!           answers)                                  warden    the process that ends it with the gate
//! chatter   what is no message goes into the log      backoff   when one that died is started again
//! kept      streams to which a client can come back
//! ```
//!
//! What a process says is looked at by the gate as every answer is: nothing here judges.

mod answers;
mod backoff;
mod chatter;
mod child;
mod children;
mod kept;
mod launch;
mod mux;
mod outlet;
mod past;
mod process;
mod server;
pub mod warden;

pub(super) use answers::{Answers, Beginning, Carrier};
pub use children::{ChildSettings, Children};
pub(super) use kept::Numbered;
pub use launch::Launch;
pub(super) use mux::{Route, Serves, Table};
pub(super) use server::Lease;
pub use server::StdioServer;
