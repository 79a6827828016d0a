//! What the stub and the load generator share: the little of HTTP that both speak, and lines.
//!
//! Both are written for one thing, to cost as little as they can, so that what is measured is what
//! stands between them. They read `Content-Length` bodies over kept connections and nothing else.

pub mod histogram;
pub mod lines;
pub mod wire;
