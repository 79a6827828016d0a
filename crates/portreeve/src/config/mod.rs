//! The configuration file and the environment: read here and nowhere else.
//!
//! The written form is a TOML tree with the place of every value; the meaning is [`Config`]. The
//! table in `keys.rs` names every key there is: it drives the check for unknown keys and wrong
//! types, and the reference in `docs/configuration.md`. All problems are reported at once, each
//! with file, line and column and what to do. Putting a configuration into force is not done here.

mod environment;
mod grants;
mod keys;
mod policies;
mod problem;
mod program;
mod reader;
mod reference;
mod secrets;
mod servers;
mod settings;
#[cfg(test)]
mod tests;
mod told;
mod tree;
pub mod watch;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

pub use environment::{DATA_DIR_VARIABLE, Environment, TOKEN_VARIABLE};
pub use problem::{ConfigError, Declares, Problem, Severity, Undeclared};
pub use program::{INHERITED, ProgramError, find_program, server_environment};
pub use reference::reference;
pub use secrets::{SecretError, parse as parse_secret, resolve};

use crate::refused::why;
use crate::store::model::Declared;
use reader::Reader;

/// The largest configuration or policy file that is read.
pub const MAX_FILE: u64 = 16 * 1024 * 1024;

/// What a configuration file means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where agents connect.
    pub listen: SocketAddr,
    /// Where the console and the API are.
    pub admin_listen: SocketAddr,
    pub data_dir: Option<PathBuf>,
    /// How the gate is reached from outside, without a slash at the end.
    pub public_url: Option<String>,
    /// The largest request body, in bytes.
    pub max_body: u64,
    /// Names the gate is called by, besides the addresses it listens on and `public_url`.
    pub allowed_hosts: Vec<String>,
    /// Web origins whose pages may call the gate.
    pub allowed_origins: Vec<String>,
    /// Whether clients of the oldest transport are answered.
    pub legacy_sse: bool,
    pub ledger: LedgerSettings,
    pub declared: Declared,
    /// The files that this was read from: the configuration itself, its policies and secrets.
    pub files: Vec<PathBuf>,
    pub warnings: Vec<Problem>,
    /// Those of the warnings that are errors unless a store knows the name.
    pub undeclared: Vec<Undeclared>,
    /// Every name it declares, which no person may have taken.
    pub declares: Vec<Declares>,
}

/// How the ledger is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerSettings {
    pub durability: Durability,
    pub arguments: Arguments,
    /// How many days, and bytes, are kept; without either everything is.
    pub retain_days: Option<u64>,
    pub retain_bytes: Option<u64>,
    pub segment_bytes: u64,
    /// The second place of the anchor.
    pub anchor_file: Option<PathBuf>,
}

/// When a record counts as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Handed to the kernel: survives a crash of the program.
    #[default]
    Kernel,
    /// On the disk: survives a power cut.
    Disk,
}

/// What of a call's arguments is recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arguments {
    #[default]
    Keys,
    Values,
    None,
}

impl Default for LedgerSettings {
    fn default() -> Self {
        Self {
            durability: Durability::default(),
            arguments: Arguments::default(),
            retain_days: None,
            retain_bytes: None,
            segment_bytes: 64 * 1024 * 1024,
            anchor_file: None,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8787)),
            admin_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8788)),
            data_dir: None,
            public_url: None,
            max_body: 16 * 1024 * 1024,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            legacy_sse: false,
            ledger: LedgerSettings::default(),
            declared: Declared::default(),
            files: Vec::new(),
            warnings: Vec::new(),
            undeclared: Vec::new(),
            declares: Vec::new(),
        }
    }
}

/// Reads a configuration file and everything it refers to.
pub fn load(path: &Path, environment: &Environment) -> Result<Config, ConfigError> {
    let text = read_file(path).map_err(|why| ConfigError::Unreadable {
        path: path.to_owned(),
        why,
    })?;
    parse(path, &text, environment)
}

/// The same for a text that is already there; `path` is where its relative paths start.
pub fn parse(path: &Path, text: &str, environment: &Environment) -> Result<Config, ConfigError> {
    let mut reader = Reader::new(path, text, environment);
    let tree = match toml::de::DeTable::parse(text) {
        Ok(tree) => tree,
        Err(error) => {
            let at = error.span().map_or(text.len(), |span| span.start);
            reader.error(at, problem::syntax(error.message(), text, at));
            return Err(reader.refuse_early());
        }
    };
    reader.knows(told::Told::of(tree.get_ref()));
    tree::check(&mut reader, tree.get_ref());
    if reader.has_errors() {
        // What has the wrong type cannot be asked for its meaning.
        return Err(reader.refuse_early());
    }
    let mut config = settings::read(&mut reader, tree.get_ref());
    config.declared.servers = servers::read(&mut reader, tree.get_ref());
    config.declared.policies = policies::read(&mut reader, tree.get_ref());
    config.declared.grants = grants::read(&mut reader, tree.get_ref());
    reader.finish(config)
}

/// The text of a file, if it is one of reasonable size.
fn read_file(path: &Path) -> Result<String, String> {
    use std::io::Read;
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| why(&error))?;
    let read = file.take(MAX_FILE + 1).read_to_string(&mut text);
    match read {
        Ok(length) if length as u64 > MAX_FILE => Err("it is larger than 16 MiB".to_owned()),
        Ok(_) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Err("it is not UTF-8 text".to_owned())
        }
        Err(error) => Err(why(&error)),
    }
}
