//! Attacks by whoever may speak to the gate: an agent with a grant, a server behind it, a page in
//! a browser, a stranger with a socket.

mod answers;
mod asking;
mod charges;
mod connections;
mod dawdling;
mod doubled;
mod drift;
mod requests;
mod taking;
