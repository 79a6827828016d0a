//! `portreeve policy explain`: the answer to a call, and what every rule found.

use std::fmt::Write as _;

use clap::Args;
use portreeve_policy::limits::{Charge, Counters};
use portreeve_policy::{
    Asking, Class, Decision, Effect, Explanation, Facts, Finding, Need, Refusal,
};
use serde_json::{Map, Value, json};

use super::facts::CallArgs;
use super::{meant, shown};
use crate::cli::output::{Output, Paint, Table, Tone, plain, printable};
use crate::cli::{DataDirArg, Done, FormatArg};
use crate::policy_text::sendable;

#[derive(Debug, Args)]
pub(in crate::cli) struct Explain {
    /// The policy: a file, `-` for standard input, or a stored one as NAME[@VERSION]
    #[arg(value_name = "POLICY")]
    policy: String,
    #[command(flatten)]
    call: CallArgs,
    #[command(flatten)]
    dir: DataDirArg,
    #[command(flatten)]
    format: FormatArg,
}

impl Explain {
    pub(in crate::cli) fn run(self, paint: Paint) -> Done {
        let (name, text) = meant(&self.policy, self.dir.data_dir.as_deref())?;
        let policy = match portreeve_policy::compile(&text) {
            Ok(checked) => checked.policy,
            Err(problems) => {
                let problems = sendable(problems);
                let shown = shown(&problems, (&name, &text), Paint::of_stderr());
                return Ok(Output::default().remark(&shown).with_code(1));
            }
        };
        let described = self.call.describe()?;
        // Nothing was called before, and one call has few counters.
        let counters = Counters::new(1_000);
        let explanation = policy.explain(&described.facts(), &counters);
        if self.format.json {
            return Output::json(&as_json(&explanation));
        }
        let output = Output::text(in_words(&explanation, paint));
        let by = |facts: &Facts<'_>| as_json(&policy.explain(facts, &counters));
        let usual = as_json(&explanation);
        // A policy that asks for no class answers the same whatever it is.
        let matters = described.is_unclassed()
            && Class::ALL
                .into_iter()
                .any(|class| by(&described.of_class(class)) != usual);
        Ok(if matters {
            output.remark(
                "note: the tool's class is not known, so every restricting class matches it; say --class",
            )
        } else {
            output
        })
    }
}

/// The outcome's word, how it is shown, the rule and the reason.
fn answer(decision: &Decision) -> (&'static str, Tone, String, String) {
    let refused = |refusal: &Refusal| (refusal.rule.to_string(), refusal.reason.clone());
    match decision {
        Decision::Allow(admission) => (
            "allow",
            Tone::Good,
            admission.rule.to_string(),
            String::new(),
        ),
        Decision::Ask(asking) => {
            let rule = asking.rule().to_string();
            ("ask", Tone::Waiting, rule, asking.reason())
        }
        Decision::Deny(refusal) => {
            let (rule, reason) = refused(refusal);
            ("deny", Tone::Bad, rule, reason)
        }
        Decision::Hide(refusal) => {
            let (rule, reason) = refused(refusal);
            ("hide", Tone::Bad, rule, reason)
        }
    }
}

fn in_words(explanation: &Explanation, paint: Paint) -> String {
    let (word, tone, rule, reason) = answer(&explanation.decision);
    let mut text = format!("{} by {}", paint.tone(tone, word), printable(&rule));
    if !reason.is_empty() {
        let _ = write!(text, ": {}", printable(&reason));
    }
    text.push('\n');
    if let Decision::Ask(asking) = &explanation.decision {
        text.push_str(&waiting(asking));
    }
    if explanation.findings.is_empty() {
        return text;
    }
    text.push('\n');
    let mut table = Table::new(paint, ["EFFECT", "RULE", "FOUND"]);
    for finding in &explanation.findings {
        let tone = match finding.effect {
            Effect::Passes => Tone::Plain,
            Effect::Asks => Tone::Waiting,
            Effect::Refuses | Effect::Hides => Tone::Bad,
        };
        table.row([
            (finding.effect.as_str().to_owned(), tone),
            plain(finding.rule.as_str()),
            plain(&finding.words),
        ]);
    }
    text + &table.render()
}

fn waiting(asking: &Asking) -> String {
    let mut text = String::new();
    for need in &asking.needs {
        let people = if need.approvers.is_empty() {
            "anybody who may approve".to_owned()
        } else {
            need.approvers.join(", ")
        };
        let _ = writeln!(
            text,
            "  {} needs {} of {}",
            printable(need.rule.as_str()),
            need.approvals,
            printable(&people)
        );
    }
    text
}

fn as_json(explanation: &Explanation) -> Value {
    let (word, _, rule, reason) = answer(&explanation.decision);
    let mut decision = Map::new();
    decision.insert("outcome".to_owned(), word.into());
    decision.insert("rule".to_owned(), rule.into());
    decision.insert("reason".to_owned(), reason.into());
    for (key, value) in particulars(&explanation.decision) {
        decision.insert(key.to_owned(), value);
    }
    let finding = |finding: &Finding| {
        json!({
            "effect": finding.effect.as_str(), "rule": finding.rule.as_str(),
            "words": finding.words,
        })
    };
    let findings: Vec<Value> = explanation.findings.iter().map(finding).collect();
    json!({ "decision": decision, "findings": findings })
}

/// What one outcome has and another has not.
fn particulars(decision: &Decision) -> Vec<(&'static str, Value)> {
    match decision {
        Decision::Deny(refusal) | Decision::Hide(refusal) => {
            let millis = refusal.retry_after_ms;
            Vec::from_iter(millis.map(|millis| ("retry_after_ms", millis.into())))
        }
        Decision::Ask(asking) => {
            let need = |need: &Need| {
                json!({
                    "rule": need.rule.as_str(), "message": need.message.as_deref(),
                    "approvals": need.approvals,
                    "approvers": need.approvers.iter().map(|name| &**name).collect::<Vec<_>>(),
                })
            };
            vec![
                ("needs", asking.needs.iter().map(need).collect()),
                ("timeout_ms", asking.timeout_ms.into()),
                ("hold_ms", asking.hold_ms.into()),
            ]
        }
        Decision::Allow(admission) => {
            let charge = |charge: &Charge| {
                json!({
                    "rule": charge.rule.as_str(), "counter": charge.key.counter(),
                    "cost": charge.cost.to_string(), "max": charge.max.to_string(),
                })
            };
            vec![("charges", admission.charges.iter().map(charge).collect())]
        }
    }
}
