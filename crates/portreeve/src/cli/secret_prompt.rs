//! Asking a person for a secret, and who they are.
//!
//! A password is read from the terminal itself, with what is typed not shown: a program that runs
//! in somebody's name has no terminal to answer at, and its standard input is not asked.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::admin::{Credential, Failure, Plain};
use crate::config::Environment;
use crate::name::Label;

/// Longer lines are no passwords.
const LONGEST: u64 = 4_096;

/// Who decides: the person whose token is in the environment, or whoever gives a password here. Nobody
/// types a password whom `may` refuses by the name.
pub(super) fn credential(
    name: Option<Label>,
    may: impl Fn(&Label) -> Result<(), Failure>,
) -> Result<Credential, Failure> {
    if let Some(token) = Environment::system().approver_token() {
        if name.is_some() {
            return Err(Failure::usage(
                "PORTREEVE_APPROVER_TOKEN says already who you are",
                "leave out `--as`, or unset the variable",
            ));
        }
        return Ok(Credential::Token(Plain(token)));
    }
    name.as_ref().map_or(Ok(()), &may)?;
    let mut terminal = Terminal::open("run this at a terminal, or set PORTREEVE_APPROVER_TOKEN")?;
    let name = if let Some(name) = name {
        name
    } else {
        let text = terminal.ask("your name: ")?;
        let name = Label::new(text).map_err(|error| Failure::usage(error.to_string(), ""))?;
        may(&name).map(|()| name)?
    };
    let password = terminal.ask_unseen(&format!("password of {name}: "))?;
    Ok(Credential::Password {
        name,
        password: Plain(password),
    })
}

/// A new password, typed twice at the terminal.
pub(super) fn new_password(name: &Label) -> Result<Plain, Failure> {
    let mut terminal = Terminal::open(
        "run this at a terminal, or give `--password-stdin`; `user add --token` makes a token instead",
    )?;
    let first = terminal.ask_unseen(&format!("new password for {name}: "))?;
    let second = terminal.ask_unseen("the same again: ")?;
    if first == second {
        return Ok(Plain(first));
    }
    Err(Failure::usage("the two differ", "nothing was changed"))
}

/// A new password as the first line of standard input, for scripts.
pub(super) fn password_from_stdin() -> Result<Plain, Failure> {
    let mut line = String::new();
    let read = BufReader::new(io::stdin().lock().take(LONGEST)).read_line(&mut line);
    read.map_err(|error| Failure::cannot(format!("cannot read standard input: {error}"), ""))?;
    Ok(Plain(line.trim_end_matches(['\n', '\r']).to_owned()))
}

struct Terminal(BufReader<File>);

impl Terminal {
    /// Where there is none, `otherwise` says what to do.
    fn open(otherwise: &str) -> Result<Self, Failure> {
        let opened = OpenOptions::new().read(true).write(true).open("/dev/tty");
        let opened = opened.map(BufReader::new).map(Self);
        opened.map_err(|_| {
            Failure::cannot(
                "a password is asked for at a terminal, and there is none",
                otherwise,
            )
        })
    }

    fn ask(&mut self, question: &str) -> Result<String, Failure> {
        self.line(question)
            .map_err(|error| Failure::cannot(format!("cannot ask at the terminal: {error}"), ""))
    }

    fn ask_unseen(&mut self, question: &str) -> Result<String, Failure> {
        let cannot =
            |error: io::Error| Failure::cannot(format!("cannot ask at the terminal: {error}"), "");
        let _unseen = Unseen::begin(self.0.get_ref()).map_err(cannot)?;
        let line = self.line(question).map_err(cannot)?;
        // The line's end was not shown either.
        let _ = self.0.get_mut().write_all(b"\n");
        Ok(line)
    }

    fn line(&mut self, question: &str) -> io::Result<String> {
        self.0.get_mut().write_all(question.as_bytes())?;
        let mut line = String::new();
        (&mut self.0).take(LONGEST).read_line(&mut line)?;
        Ok(line.trim_end_matches(['\n', '\r']).to_owned())
    }
}

/// While it lives, the terminal does not show what is typed.
struct Unseen {
    terminal: File,
    before: Termios,
}

impl Unseen {
    fn begin(terminal: &File) -> io::Result<Self> {
        let terminal = terminal.try_clone()?;
        let before = tcgetattr(&terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}
