//! `portreeve child`: not for people. The gate starts stdio servers through it.

use std::path::PathBuf;

use clap::Args;

use super::Output;
use crate::open_files;
use crate::upstream::stdio::warden::{self, Ward};

#[derive(Debug, Args)]
pub(super) struct Child {
    /// Become the server of this warden
    #[arg(long = "become", value_name = "PID")]
    become_server_of: Option<i32>,
    /// How many files the server may have open
    #[arg(long, value_name = "NUMBER")]
    files: Option<u64>,
    /// The server's program
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

impl Child {
    pub(super) fn run(self) -> Output {
        if let Some(files) = self.files {
            open_files::go_back_to(files);
        }
        let mut command = self.command.into_iter();
        let program = PathBuf::from(command.next().unwrap_or_default());
        let arguments: Vec<String> = command.collect();
        let code = match self.become_server_of {
            Some(warden) => warden::become_server(warden, &program, &arguments),
            None => warden::watch(&Ward {
                own_program: super::own_program(),
                program,
                arguments,
            }),
        };
        Output::default().with_code(code)
    }
}
