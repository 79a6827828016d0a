//! Asking a person for a secret, and who they are.
//!
//! A password is read from the terminal itself, with what is typed not shown: a program that runs
//! in somebody's name has no terminal to answer at, and its standard input is not asked.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};

use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};

use crate::admin::{Credential, Failure, Plain};
use crate::config::Environment;
use crate::name::Label;

/// Longer lines are no passwords.
const LONGEST: u64 = 4_096;

/// What cannot be done without a terminal, of most commands.
pub(super) const OWN_PASSWORD: &str =
    "you are asked for your own password at a terminal, and there is none";

/// Who decides: the person whose token is in the environment, or whoever gives a password here. Nobody
/// types a password whom `may` refuses by the name. Where there is no terminal, `without` says what cannot be
/// done there.
pub(super) fn credential(
    name: Option<Label>,
    without: &str,
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
    let mut terminal = Terminal::open(
        without,
        "run this at a terminal, or set PORTREEVE_APPROVER_TOKEN to your token",
    )?;
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
        "a new password is asked for at a terminal, and there is none",
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
    fn open(without: &str, otherwise: &str) -> Result<Self, Failure> {
        let opened = OpenOptions::new().read(true).write(true).open("/dev/tty");
        let opened = opened.map(BufReader::new).map(Self);
        opened.map_err(|_| Failure::cannot(without, otherwise))
    }

    fn ask(&mut self, question: &str) -> Result<String, Failure> {
        self.line(question)
            .map_err(|error| Failure::cannot(format!("cannot ask at the terminal: {error}"), ""))
    }

    fn ask_unseen(&mut self, question: &str) -> Result<String, Failure> {
        let cannot =
            |error: io::Error| Failure::cannot(format!("cannot ask at the terminal: {error}"), "");
        let unseen = Unseen::begin(self.0.get_ref()).map_err(cannot)?;
        let typed = unseen.line(&mut self.0, question);
        drop(unseen);
        // The line's end was not shown either.
        let _ = self.0.get_mut().write_all(b"\n");
        match typed.map_err(cannot)? {
            Typed::Line(line) => Ok(line),
            Typed::Interrupted => Err(interrupted()),
        }
    }

    fn line(&mut self, question: &str) -> io::Result<String> {
        self.0.get_mut().write_all(question.as_bytes())?;
        let mut line = String::new();
        (&mut self.0).take(LONGEST).read_line(&mut line)?;
        Ok(line.trim_end_matches(['\n', '\r']).to_owned())
    }
}

/// What a person did at a prompt.
enum Typed {
    Line(String),
    Interrupted,
}

/// Ends this process as the key would have ended it.
fn interrupted() -> Failure {
    let _ = kill_process(getpid(), Signal::INT);
    // Whoever started it has it ignore the signal.
    Failure::cannot("interrupted: nothing was changed", "")
}

/// While it lives, the terminal does not show what is typed, and the keys that end or stop a program come
/// here: the terminal would stay as it is now if one of them ended this process.
struct Unseen {
    terminal: File,
    before: Termios,
}

impl Unseen {
    fn begin(terminal: &File) -> io::Result<Self> {
        let terminal = terminal.try_clone()?;
        let before = tcgetattr(&terminal)?;
        let mut quiet = before.clone();
        quiet
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ISIG);
        // These keys end a line, so that they are heard at once.
        let (interrupt_key, quit_key) = Self::ending_keys(&before);
        quiet.special_codes[SpecialCodeIndex::VEOL] = interrupt_key;
        quiet.special_codes[SpecialCodeIndex::VEOL2] = quit_key;
        tcsetattr(&terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }

    fn ending_keys(termios: &Termios) -> (u8, u8) {
        let codes = &termios.special_codes;
        (
            codes[SpecialCodeIndex::VINTR],
            codes[SpecialCodeIndex::VQUIT],
        )
    }

    fn line(&self, terminal: &mut BufReader<File>, question: &str) -> io::Result<Typed> {
        terminal.get_mut().write_all(question.as_bytes())?;
        let (interrupt_key, quit_key) = Self::ending_keys(&self.before);
        let suspend = self.before.special_codes[SpecialCodeIndex::VSUSP];
        let mut line = Vec::new();
        for byte in terminal.take(LONGEST).bytes() {
            match byte? {
                b'\n' => break,
                0 => {}
                key if key == interrupt_key || key == quit_key => return Ok(Typed::Interrupted),
                key if key == suspend => {}
                byte => line.push(byte),
            }
        }
        let line = String::from_utf8(line);
        let line = line.map_err(|_| io::Error::other("what was typed is not UTF-8"))?;
        Ok(Typed::Line(line.trim_end_matches('\r').to_owned()))
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}
