//! The gate's face to agents: listening, and the HTTP side of Streamable HTTP.
//!
//! Owns what is true of every request whatever it asks: the caps, the deadlines, Host and Origin,
//! the paths, and how a gate's reply becomes a response. Judges nothing.

mod answer;
mod body;
mod crowd;
mod patience;
mod places;
mod response;
mod routes;
mod serve;
mod sse;
mod strangers;
mod taking;

pub use patience::Patience;
pub use places::{Allowed, PlaceError};
pub use serve::{Front, FrontSettings};
