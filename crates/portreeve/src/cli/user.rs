//! `portreeve user …`

use std::fmt::Write as _;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::desk::{data_dir, of_dir, request, unexpected};
use super::listing::{Cell, Listing};
use super::output::{Output, Paint, plain};
use super::secret_prompt::{OWN_PASSWORD, credential, new_password, password_from_stdin};
use super::{DataDirArg, Done, FormatArg};
use crate::admin::{Credential, Failure, PersonView, Plain, Request, Response, check_first};
use crate::name::Label;
use crate::store::person::Role;

#[derive(Debug, Subcommand)]
pub(super) enum User {
    /// Add a person; the first one must be an admin
    Add(Add),
    /// List the people
    List {
        #[command(flatten)]
        dir: DataDirArg,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Give a person a new password
    Passwd {
        /// Whose
        name: Label,
        /// Read it from the first line of standard input instead of the terminal
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        leave: Leave,
        #[command(flatten)]
        dir: DataDirArg,
    },
    /// Give a person a new token and print it, this once; an older one is worth nothing then
    Token {
        /// Whose
        name: Label,
        #[command(flatten)]
        leave: Leave,
        #[command(flatten)]
        dir: DataDirArg,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Remove a person
    Remove {
        /// Whom
        name: Label,
        #[command(flatten)]
        leave: Leave,
        #[command(flatten)]
        dir: DataDirArg,
        #[command(flatten)]
        format: FormatArg,
    },
}

/// By whose leave.
#[derive(Debug, Args)]
pub(super) struct Leave {
    /// Who you are; your password is asked for at the terminal [default: it is asked for too, unless
    /// `PORTREEVE_APPROVER_TOKEN` is set]
    #[arg(long = "as", value_name = "NAME")]
    admin: Option<Label>,
}

impl Leave {
    /// The leave to change a person. Nobody types a password for what cannot be done.
    fn for_change(
        self,
        (name, removes): (&Label, bool),
        dir: &DataDirArg,
    ) -> Result<Credential, Failure> {
        let may = |who: Option<&Label>| {
            let asked = Request::UserMayChange {
                name: name.clone(),
                removes,
                who: who.cloned(),
            };
            request(dir.data_dir.as_deref(), asked).map(drop)
        };
        may(None)?;
        credential(self.admin, OWN_PASSWORD, |who| may(Some(who)))
    }
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// What the person is called, such as `ann` or `ann@example.com`
    name: Label,
    /// What the person may do
    #[arg(long, value_enum, default_value_t = RoleArg::Approver)]
    role: RoleArg,
    /// An identity of grants that is this person's own: they may not approve its calls
    #[arg(long = "identity", value_name = "ID")]
    identities: Vec<String>,
    /// Make a token, print it this once, and set no password unless `--password-stdin` is given
    #[arg(long)]
    token: bool,
    /// Read the password from the first line of standard input instead of the terminal
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    leave: Leave,
    #[command(flatten)]
    dir: DataDirArg,
    #[command(flatten)]
    format: FormatArg,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum RoleArg {
    Admin,
    PolicyManager,
    Approver,
    Viewer,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Admin => Self::Admin,
            RoleArg::PolicyManager => Self::PolicyManager,
            RoleArg::Approver => Self::Approver,
            RoleArg::Viewer => Self::Viewer,
        }
    }
}

impl User {
    pub(super) fn run(self, paint: Paint) -> Done {
        match self {
            Self::Add(add) => add.run(),
            Self::List { dir, format } => LISTING.show(&people(&dir)?, (&format, paint), cells),
            Self::Passwd {
                name,
                password_stdin,
                leave,
                dir,
            } => {
                let by = leave.for_change((&name, false), &dir)?;
                let password = Some(password(&name, password_stdin)?);
                let token = false;
                let asked = Request::UserProof {
                    name,
                    password,
                    token,
                    by,
                };
                let (person, _) = proven(&dir, asked)?;
                Ok(Output::text(format!(
                    "{} has a new password\n",
                    person.name
                )))
            }
            Self::Token {
                name,
                leave,
                dir,
                format,
            } => {
                let by = leave.for_change((&name, false), &dir)?;
                let (password, token) = (None, true);
                let asked = Request::UserProof {
                    name,
                    password,
                    token,
                    by,
                };
                let (person, token) = proven(&dir, asked)?;
                let told = told(&person, token.as_deref(), &format, "has a new token")?;
                warned(told, &person, &dir)
            }
            Self::Remove {
                name,
                leave,
                dir,
                format,
            } => {
                let by = leave.for_change((&name, true), &dir)?;
                match request(dir.data_dir.as_deref(), Request::UserRemove { name, by })? {
                    Response::PersonRemoved { name } if format.json => {
                        Output::json(&json!({ "removed": name }))
                    }
                    Response::PersonRemoved { name } => {
                        Ok(Output::text(format!("{name} removed\n")))
                    }
                    _ => Err(unexpected()),
                }
            }
        }
    }
}

impl Add {
    fn run(self) -> Done {
        let by = if self.needs_leave()? {
            let may = |who: &Label| self.may(Some(who)).map(drop);
            let why = "an admin who is there already must agree to another person, and is asked for their \
                       own password at a terminal: there is none here";
            Some(credential(self.leave.admin.clone(), why, may)?)
        } else {
            None
        };
        let wants_password = self.password_stdin || !self.token;
        let password = wants_password
            .then(|| password(&self.name, self.password_stdin))
            .transpose()?;
        let asked = Request::UserAdd {
            name: self.name,
            role: self.role.into(),
            identities: self.identities,
            password,
            token: self.token,
            by,
        };
        let (person, token) = proven(&self.dir, asked)?;
        let what = format!("added ({})", person.role);
        let told = told(&person, token.as_deref(), &self.format, &what)?;
        warned(told, &person, &self.dir)
    }
}

/// With a word to an admin on whose token all hangs.
fn warned(told: Output, person: &PersonView, dir: &DataDirArg) -> Done {
    let is_admin = |person: &&PersonView| person.role == Role::Admin;
    if !is_admin(&person) || person.has_password {
        return Ok(told);
    }
    if people(dir)?.iter().filter(is_admin).count() != 1 {
        return Ok(told);
    }
    let (name, of_dir) = (
        &person.name,
        of_dir(data_dir(dir.data_dir.as_deref())?.path()),
    );
    Ok(told.remark(&format!(
        "warning: {name} is the only admin and has a token alone: if it is lost, nobody can add or change \
         people any more. Add a password to it: `portreeve user passwd {name}{of_dir}`"
    )))
}

impl Add {
    /// The first person needs nobody's leave, and may be the first of a data directory, too.
    fn needs_leave(&self) -> Result<bool, Failure> {
        if data_dir(self.dir.data_dir.as_deref())?.require().is_err() {
            return check_first(self.role.into(), &self.identities).map(|()| false);
        }
        self.may(None)
    }

    /// Asks before anybody types a password whether it would be of use.
    fn may(&self, who: Option<&Label>) -> Result<bool, Failure> {
        let asked = Request::UserMayAdd {
            name: self.name.clone(),
            role: self.role.into(),
            identities: self.identities.clone(),
            who: who.cloned(),
        };
        match request(self.dir.data_dir.as_deref(), asked)? {
            Response::MayAdd { needs_leave } => Ok(needs_leave),
            _ => Err(unexpected()),
        }
    }
}

fn people(dir: &DataDirArg) -> Result<Vec<PersonView>, Failure> {
    match request(dir.data_dir.as_deref(), Request::UserList)? {
        Response::People { people } => Ok(people),
        _ => Err(unexpected()),
    }
}

fn password(name: &Label, from_stdin: bool) -> Result<Plain, Failure> {
    if from_stdin {
        password_from_stdin()
    } else {
        new_password(name)
    }
}

fn proven(dir: &DataDirArg, asked: Request) -> Result<(PersonView, Option<String>), Failure> {
    match request(dir.data_dir.as_deref(), asked)? {
        Response::Person { person, token } => Ok((person, token)),
        _ => Err(unexpected()),
    }
}

fn told(person: &PersonView, token: Option<&str>, format: &FormatArg, what: &str) -> Done {
    if format.json {
        return Output::json(&json!({ "person": person, "token": token }));
    }
    let mut text = format!("{} {what}\n", person.name);
    if let Some(token) = token {
        let _ = write!(
            text,
            "the token is shown this once; keep it where no agent can read it:\n\n  {token}\n\n\
             PORTREEVE_APPROVER_TOKEN takes it\n"
        );
    }
    Ok(Output::text(text))
}

const LISTING: Listing<5> = Listing {
    head: ["NAME", "ROLE", "PASSWORD", "TOKEN", "IDENTITIES"],
    nothing: "nobody yet; `portreeve user add NAME --role admin` adds the first",
};

fn cells(person: &PersonView) -> [Cell; 5] {
    let yes = |has: bool| plain(if has { "yes" } else { "-" });
    [
        plain(person.name.as_str()),
        plain(person.role.as_str()),
        yes(person.has_password),
        yes(person.has_token),
        plain(person.identities.join(", ")),
    ]
}
