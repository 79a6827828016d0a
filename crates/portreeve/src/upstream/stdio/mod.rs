//! Servers that are processes and speak in lines over their standard streams.
//!
//! ```text
//! server    which process serves which request        launch    what a process is started with
//! child     one process, from the gate's side         children  all of them, and their bounds
//! mux       whom a message belongs to (wire, outlet,  process   started, ended, reaped
//!           answers)                                  warden    the process that ends it with the gate
//! pipe      lines                                     backoff   when one that died is started again
//! chatter   what is no message goes into the log
//! ```
//!
//! What a process says is looked at by the gate as every answer is: nothing here judges.

mod answers;
mod backoff;
mod chatter;
mod child;
mod children;
mod launch;
mod mux;
mod outlet;
mod pipe;
mod process;
mod server;
pub mod warden;
mod wire;

pub(super) use answers::Answers;
pub use children::{ChildSettings, Children};
pub use launch::Launch;
pub use pipe::one_line;
pub(super) use server::Lease;
pub use server::StdioServer;
