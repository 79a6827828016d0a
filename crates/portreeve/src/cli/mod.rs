//! The command line: arguments in, text and an exit code out. A thin face over the rooms.
//!
//! Exit codes: 0 done, 1 the answer is no, 2 the command was wrong, 3 it cannot be done.

mod anchor_file;
mod approvals;
mod backup;
mod book;
mod child;
mod config;
mod demo;
mod desk;
mod directed;
mod doubts;
mod first_minute;
mod grant;
mod ledger;
mod listing;
mod log;
mod output;
mod policy;
#[cfg(test)]
mod reference;
mod risk;
mod secret_prompt;
mod server;
mod server_tools;
mod stdio;
mod unknown_name;
mod up;
mod user;
mod verify;
mod wrap;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::admin::Failure;
use output::{Output, Paint};

/// The policy gateway for AI agents' tools.
#[derive(Debug, Parser)]
#[command(
    name = "portreeve",
    version,
    about,
    disable_help_subcommand = true,
    after_help = "Begin with `portreeve up`: it starts with a demo server, a policy and a grant, and says \
                  how to go on.\n`portreeve COMMAND --help` says more of a command."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gate
    Up(up::Up),
    /// The servers whose tools pass the gate
    #[command(subcommand)]
    Server(server::Server),
    /// The rules
    #[command(subcommand)]
    Policy(policy::Policy),
    /// What tools can do at worst, and whether their definitions are poisoned
    #[command(subcommand)]
    Risk(risk::Risk),
    /// The callers' permissions
    #[command(subcommand)]
    Grant(grant::Grant),
    /// Calls that wait for people
    #[command(subcommand)]
    Approvals(approvals::Approvals),
    /// The people who look after the gate
    #[command(subcommand)]
    User(user::User),
    /// The book of every decision
    #[command(subcommand)]
    Ledger(ledger::Ledger),
    /// The `runs` demo server by itself
    Demo(demo::Demo),
    /// Carry a stdio client to a running gateway; the token is in `PORTREEVE_TOKEN`
    Stdio(stdio::Stdio),
    /// One stdio server behind a policy, without a gateway that runs
    Wrap(wrap::Wrap),
    /// Write everything durable of a data directory into one file; works while portreeve runs. What
    /// `wrap` keeps is in data directories of its own
    Backup(backup::Backup),
    /// Make a data directory from a backup
    Restore(backup::Restore),
    /// The configuration file
    #[command(subcommand)]
    Config(config::Config),
    /// Print the completions for a shell
    #[command(after_help = "For bash: source <(portreeve completions bash)\n\
                            For zsh: portreeve completions zsh > _portreeve, in a folder of $fpath\n\
                            For fish: portreeve completions fish | source")]
    Completions {
        /// The shell that is to complete
        shell: Shell,
    },
    /// Print the help of a command
    #[command(hide = true)]
    Help {
        /// The command, such as `server add`
        words: Vec<String>,
    },
    #[command(hide = true)]
    Child(child::Child),
}

/// Where the state is.
#[derive(Debug, Args)]
struct DataDirArg {
    /// The data directory [default: `PORTREEVE_DATA_DIR`, else the platform's data folder]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// How a listing is written.
#[derive(Debug, Args)]
struct FormatArg {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

type Done = Result<Output, Failure>;

/// This program, to be started again: as it runs, even if its file was replaced meanwhile.
fn own_program() -> PathBuf {
    let running = PathBuf::from("/proc/self/exe");
    if cfg!(target_os = "linux") && running.exists() {
        return running;
    }
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("portreeve"))
}

/// The whole program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Clap writes its help to stdout with code 0, its complaints to stderr with code 2.
            let _ = error.print();
            if let Some(tip) = unknown_command(&error) {
                eprintln!("\n  tip: {tip}");
            }
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match cli.command.run(Paint::of_stdout()) {
        Ok(output) => output.print(),
        Err(failure) => output::print_failure(&failure, Paint::of_stderr()),
    }
}

/// What other programs call what is meant.
fn unknown_command(error: &clap::Error) -> Option<&'static str> {
    if error.kind() != ErrorKind::InvalidSubcommand {
        return None;
    }
    let ContextValue::String(word) = error.get(ContextKind::InvalidSubcommand)? else {
        return None;
    };
    match word.as_str() {
        "init" | "start" | "serve" | "run" | "gateway" | "proxy" => Some(
            "`portreeve up` runs the gate, and makes all that it needs when it starts for the first time",
        ),
        "status" | "ps" => {
            Some("`portreeve server list` and `portreeve grant list` show what is in force")
        }
        "log" | "logs" | "tail" | "audit" | "events" => {
            Some("`portreeve ledger tail` shows what was decided")
        }
        _ => None,
    }
}

impl Command {
    fn run(self, paint: Paint) -> Done {
        match self {
            Self::Up(up) => up.run(paint),
            Self::Server(server) => server.run(paint),
            Self::Policy(policy) => policy.run(paint),
            Self::Risk(risk) => risk.run(paint),
            Self::Grant(grant) => grant.run(paint),
            Self::Approvals(approvals) => approvals.run(paint),
            Self::User(user) => user.run(paint),
            Self::Ledger(ledger) => ledger.run(paint),
            Self::Demo(demo) => demo.run(),
            Self::Stdio(stdio) => stdio.run(),
            Self::Wrap(wrap) => wrap.run(),
            Self::Backup(backup) => backup.run(),
            Self::Restore(restore) => restore.run(),
            Self::Config(config) => config.run(paint),
            Self::Child(child) => Ok(child.run()),
            Self::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Cli::command(), "portreeve", &mut script);
                Ok(Output::text(String::from_utf8_lossy(&script)))
            }
            Self::Help { words } => help(&words),
        }
    }
}

fn help(words: &[String]) -> Done {
    let mut root = Cli::command();
    root.build();
    let mut command = &mut root;
    for word in words {
        command = command.find_subcommand_mut(word).ok_or_else(|| {
            Failure::usage(
                format!("there is no command `{}`", words.join(" ")),
                "`portreeve --help` lists those there are",
            )
        })?;
    }
    Ok(Output::text(command.render_long_help().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn words_of_other_programs_lead_on() {
        for (word, tip) in [
            ("start", "`portreeve up`"),
            ("log", "`portreeve ledger tail`"),
        ] {
            let error = Cli::try_parse_from(["portreeve", word]).expect_err("unknown");
            assert!(unknown_command(&error).is_some_and(|said| said.starts_with(tip)));
        }
        let error = Cli::try_parse_from(["portreeve", "server", "log"]).expect_err("unknown");
        assert!(error.kind() == ErrorKind::InvalidSubcommand);
        let error = Cli::try_parse_from(["portreeve", "grant"]).expect_err("incomplete");
        assert_eq!(unknown_command(&error), None);
    }
}
