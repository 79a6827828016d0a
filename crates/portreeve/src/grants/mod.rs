//! Grants as callers hold them: the form of the token.
//!
//! Where grants are kept is `store`'s business, who may use one is `gate`'s.

pub mod token;
