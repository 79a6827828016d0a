//! The `runs` demo server as its clients see it.

mod crash;
mod legacy;
mod modern;
mod stdio;
mod wire;
