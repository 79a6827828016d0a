//! Everything that is tested from outside: over sockets, pipes and processes.

#[cfg(test)]
mod cli;
