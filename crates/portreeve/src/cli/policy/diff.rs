//! `portreeve policy diff`: what is different in meaning between two policies.

use clap::Args;
use portreeve_policy::{Change, Comparison, Shift, compare};
use serde_json::{Value, json};

use super::{meant, shown};
use crate::admin::Failure;
use crate::cli::output::{Output, Paint, Table, Tone, plain};
use crate::cli::{DataDirArg, Done, FormatArg};
use crate::policy_text::sendable;

#[derive(Debug, Args)]
pub(in crate::cli) struct Diff {
    /// The older policy: a file, or a stored one as NAME[@VERSION]
    #[arg(value_name = "OLD")]
    old: String,
    /// The newer policy: a file, or a stored one as NAME[@VERSION]
    #[arg(value_name = "NEW")]
    new: String,
    #[command(flatten)]
    dir: DataDirArg,
    #[command(flatten)]
    format: FormatArg,
}

impl Diff {
    pub(in crate::cli) fn run(self, paint: Paint) -> Done {
        let dir = self.dir.data_dir.as_deref();
        let (old_name, old) = meant(&self.old, dir)?;
        let (new_name, new) = meant(&self.new, dir)?;
        for (name, text) in [(&old_name, &old), (&new_name, &new)] {
            if let Err(problems) = portreeve_policy::compile(text) {
                let problems = sendable(problems);
                let shown = shown(&problems, (name, text), Paint::of_stderr());
                let why =
                    format!("{shown}\nerror: {name} is no policy, so there is nothing to compare");
                return Ok(Output::default().remark(&why).with_code(3));
            }
        }
        let compared = compare(&old, &new).map_err(|_| {
            Failure::cannot(
                "the policies cannot be compared",
                "check both with `policy check`",
            )
        })?;
        let output = if self.format.json {
            Output::json(&as_json(&compared))?
        } else {
            Output::text(in_words(&compared, (&old_name, &new_name), paint))
        };
        Ok(output.with_code(u8::from(!compared.changes.is_empty())))
    }
}

fn in_words(compared: &Comparison, (old, new): (&str, &str), paint: Paint) -> String {
    let changes = &compared.changes;
    if changes.is_empty() {
        return format!("{old} and {new} mean the same\n");
    }
    let mut table = Table::new(paint, ["EFFECT", "CHANGE", "PLACE", "WHAT"]);
    for change in changes {
        let (word, tone) = match change.effect {
            None => ("it depends", Tone::Waiting),
            Some(shift @ Shift::Nothing) => (shift.as_str(), Tone::Plain),
            Some(shift @ (Shift::AllowsMore | Shift::Both)) => (shift.as_str(), Tone::Bad),
            Some(shift @ Shift::RefusesMore) => (shift.as_str(), Tone::Good),
        };
        table.row([
            (word.to_owned(), tone),
            plain(change.kind.as_str()),
            plain(&change.pointer),
            plain(&change.words),
        ]);
    }
    let sum = match compared.effect {
        None => format!("{new} may allow some calls and refuse others that {old} does not"),
        Some(Shift::Both) => {
            format!("{new} allows some calls and refuses others that {old} does not")
        }
        Some(Shift::Nothing) => format!("{new} answers every call as {old} does"),
        Some(Shift::AllowsMore) => format!("{new} allows everything that {old} allows"),
        Some(Shift::RefusesMore) => format!("{new} refuses everything that {old} refuses"),
    };
    format!("{}\n{sum}\n", table.render())
}

fn as_json(compared: &Comparison) -> Value {
    let changes = &compared.changes;
    let word = |shift: Option<Shift>| {
        shift.map(|shift| match shift {
            Shift::AllowsMore => "allows_more",
            Shift::RefusesMore => "refuses_more",
            Shift::Both => "both",
            Shift::Nothing => "nothing",
        })
    };
    let change = |change: &Change| {
        json!({
            "change": change.kind.as_str(), "pointer": change.pointer,
            "words": change.words, "effect": word(change.effect),
        })
    };
    json!({
        "same": changes.is_empty(), "effect": word(compared.effect),
        "changes": changes.iter().map(change).collect::<Vec<_>>(),
    })
}
