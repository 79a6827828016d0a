//! `portreeve approvals …`

use std::fmt::Write as _;

use clap::{Args, Subcommand};

use super::desk::{request, unexpected};
use super::listing::{Cell, Listing};
use super::output::{Output, Paint, Tone, plain, printable};
use super::secret_prompt::credential;
use super::{DataDirArg, Done, FormatArg};
use crate::admin::{ApprovalView, Failure, Request, Response};
use crate::name::Label;
use crate::store::approval::{Says, State};

#[derive(Debug, Subcommand)]
pub(super) enum Approvals {
    /// List the calls that wait for people, or were decided and can still be used
    List {
        /// Also those that have ended
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        dir: DataDirArg,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Show one call: who asks, for what, and who has said what
    Show {
        /// The approval, such as `ap_0123456789abcdef0123`
        id: String,
        #[command(flatten)]
        dir: DataDirArg,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Let the call pass, once
    Approve(Decide),
    /// Refuse the call
    Deny(Decide),
    /// Take back your own approval, as long as no call has used it
    Withdraw(Decide),
}

/// What a person wants of a call that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Say(Says),
    Withdraw,
}

#[derive(Debug, Args)]
pub(super) struct Decide {
    /// The approval, such as `ap_0123456789abcdef0123`
    id: String,
    /// Why; the agent is told the reason of a denial
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Who you are; your password is asked for at the terminal [default: it is asked for too, unless
    /// `PORTREEVE_APPROVER_TOKEN` is set]
    #[arg(long = "as", value_name = "NAME")]
    name: Option<Label>,
    #[command(flatten)]
    dir: DataDirArg,
    #[command(flatten)]
    format: FormatArg,
}

impl Approvals {
    pub(super) fn run(self, paint: Paint) -> Done {
        match self {
            Self::List { all, dir, format } => {
                let asked = Request::ApprovalList { all };
                match request(dir.data_dir.as_deref(), asked)? {
                    Response::Approvals { approvals } => {
                        let listing = if all { ALL } else { OPEN };
                        listing.show(&approvals, (&format, paint), cells)
                    }
                    _ => Err(unexpected()),
                }
            }
            Self::Show { id, dir, format } => {
                shown(&dir, &format, Request::ApprovalShow { id }, paint)
            }
            Self::Approve(decide) => decide.run(Wish::Say(Says::Approve), paint),
            Self::Deny(decide) => decide.run(Wish::Say(Says::Deny), paint),
            Self::Withdraw(decide) => decide.run(Wish::Withdraw, paint),
        }
    }
}

impl Decide {
    fn run(self, wish: Wish, paint: Paint) -> Done {
        // Who decides sees what about, and whether it can be, before the password is asked for.
        let approval = self.may(wish, None)?;
        if !self.format.json {
            eprintln_shown(&text(&approval, paint));
        }
        let by = credential(self.name.clone(), |who| self.may(wish, Some(who)).map(drop))?;
        let id = self.id;
        let reason = self.reason;
        let asked = match wish {
            Wish::Say(says) => Request::ApprovalDecide {
                id,
                says,
                reason,
                by,
            },
            Wish::Withdraw => Request::ApprovalWithdraw { id, reason, by },
        };
        match request(self.dir.data_dir.as_deref(), asked)? {
            Response::Approval { approval } if self.format.json => Output::json(&approval),
            Response::Approval { approval } if wish == Wish::Withdraw => {
                let id = &approval.id;
                Ok(Output::text(format!("{id}: taken back; the call waits\n")))
            }
            Response::Approval { approval } => Ok(Output::text(outcome(&approval))),
            _ => Err(unexpected()),
        }
    }
}

impl Decide {
    fn may(&self, wish: Wish, who: Option<&Label>) -> Result<ApprovalView, Failure> {
        let asked = Request::ApprovalMay {
            id: self.id.clone(),
            says: match wish {
                Wish::Say(says) => Some(says),
                Wish::Withdraw => None,
            },
            who: who.cloned(),
        };
        match request(self.dir.data_dir.as_deref(), asked)? {
            Response::Approval { approval } => Ok(*approval),
            _ => Err(unexpected()),
        }
    }
}

fn eprintln_shown(text: &str) {
    use std::io::Write as _;
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

fn shown(dir: &DataDirArg, format: &FormatArg, asked: Request, paint: Paint) -> Done {
    match request(dir.data_dir.as_deref(), asked)? {
        Response::Approval { approval } if format.json => Output::json(&approval),
        Response::Approval { approval } => Ok(Output::text(text(&approval, paint))),
        _ => Err::<Output, Failure>(unexpected()),
    }
}

fn outcome(approval: &ApprovalView) -> String {
    let id = &approval.id;
    match approval.state {
        State::Approved => format!(
            "{id} approved: the call may pass once, until {}\n",
            approval.expires_at
        ),
        State::Waiting => format!("{id}: noted; it waits for more people\n"),
        state => format!("{id} {state}\n"),
    }
}

const fn tone(state: State) -> Tone {
    match state {
        State::Waiting => Tone::Waiting,
        State::Approved | State::Used => Tone::Good,
        State::Denied => Tone::Bad,
        State::Expired => Tone::Plain,
    }
}

const OPEN: Listing<7> = Listing {
    head: ["ID", "STATE", "GRANT", "SERVER", "CALL", "ASKED", "UNTIL"],
    nothing: "no call waits, or was decided and can still be used; `--all` shows those that have ended",
};

const ALL: Listing<7> = Listing {
    nothing: "no call has waited for anybody yet",
    ..OPEN
};

fn cells(approval: &ApprovalView) -> [Cell; 7] {
    [
        plain(&*approval.id),
        (approval.state.to_string(), tone(approval.state)),
        plain(approval.grant.as_str()),
        plain(approval.server.as_str()),
        plain(&*approval.subject),
        plain(&*approval.asked_at),
        plain(&*approval.expires_at),
    ]
}

fn text(approval: &ApprovalView, paint: Paint) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let name = paint.tone(Tone::Head, &format!("{name:<10}"));
        let _ = writeln!(text, "{name}{}", printable(value));
    };
    line("approval", &format!("{} ({})", approval.id, approval.state));
    line(
        "caller",
        &format!("grant {}, identity {}", approval.grant, approval.identity),
    );
    let (method, subject) = (&approval.method, &approval.subject);
    line(
        "call",
        &format!("{method} {subject} on {}", approval.server),
    );
    match &approval.params {
        Some(params) => line("params", params.get()),
        None => line("params", "(no longer kept)"),
    }
    for need in &approval.needs {
        let who = if need.approvers.is_empty() {
            String::new()
        } else {
            format!(" of {}", need.approvers.join(", "))
        };
        let people = if need.approvals == 1 {
            "person"
        } else {
            "people"
        };
        let message = need.message.as_deref().unwrap_or_default();
        let asked = format!(
            "{} wants {} {people}{who}  {message}",
            need.rule, need.approvals
        );
        line("rule", asked.trim_end());
    }
    line("policy", &approval.policy);
    line("asked", &approval.asked_at);
    line("until", &approval.expires_at);
    for vote in &approval.votes {
        let says = match vote.says {
            Says::Approve => "approved",
            Says::Deny => "denied",
        };
        let reason = vote
            .reason
            .as_deref()
            .map_or_else(String::new, |r| format!(": {r}"));
        let back = if vote.taken_back {
            " (taken back since, for any other call)"
        } else {
            ""
        };
        line(
            says,
            &format!("by {} at {}{back}{reason}", vote.person, vote.at),
        );
    }
    text
}
