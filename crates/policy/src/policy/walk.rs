//! The one walk past all rules that look at a call, in the order in which their refusals count.
//!
//! Deciding stops at the first refusal; explaining goes on and writes everything down. Both are
//! this walk, with another [`Witness`], so they cannot disagree.

use std::ops::ControlFlow;

use super::flow::{Flow, FlowEffect};
use super::reasons::{findings, malformed, unnamed};
use super::rule_map::Matching;
use super::rules::{Ask, Guard, Limit, RuleSet, Validation};
use crate::condition::{Purpose, Scene, Truth, all};
use crate::decision::{Admission, Asking, Decision, Need, Refusal, Rule, refusal};
use crate::facts::{Subject, ToolFacts};
use crate::json::{Kind, Span, Value};
use crate::limits::{Charge, Readings};
use crate::schema::Invalid;
use crate::visible::shown;

/// Who hears what the rules find.
pub(super) trait Witness {
    /// A rule looked and does not refuse; the words are made only for who wants them.
    fn note(&mut self, rule: &Rule, asks: bool, words: impl FnOnce() -> String);

    /// A rule refuses. `Break` ends the walk.
    fn refuse(&mut self, refused: Decision) -> ControlFlow<()>;

    /// A rule refuses for its conditions; the words say what each was found to be.
    fn refuse_for(
        &mut self,
        refused: Decision,
        _found: impl FnOnce() -> String,
    ) -> ControlFlow<()> {
        self.refuse(refused)
    }
}

/// How a name stands with the policy, before anything about the call is asked.
pub(super) enum Standing<'p> {
    Hidden,
    NotPinned,
    /// Nothing names it, and the default denies.
    Unnamed,
    /// It may be called unless something refuses; the rule is what lets it.
    Open(&'p Rule),
}

/// A call and the rules that are about it.
pub(super) struct Call<'c> {
    pub(super) kind: &'static str,
    pub(super) name: &'c str,
    pub(super) matching: Matching<'c>,
    pub(super) standing: Standing<'c>,
    pub(super) flow: &'c [Flow],
    pub(super) scene: Scene<'c>,
    pub(super) readings: &'c dyn Readings,
}

/// What a call that nothing refused owes and waits for.
#[derive(Default)]
pub(super) struct Dues {
    charges: Vec<Charge>,
    needs: Vec<Need>,
    timeout_ms: Option<u64>,
    hold_ms: Option<u64>,
}

impl Dues {
    /// INVARIANT: several needs merge to the strictest, and each keeps its own approvals.
    fn add(&mut self, need: &Need, timeout_ms: u64, hold_ms: u64) {
        let least = |known: Option<u64>, new: u64| Some(known.map_or(new, |known| known.min(new)));
        self.timeout_ms = least(self.timeout_ms, timeout_ms);
        self.hold_ms = least(self.hold_ms, hold_ms);
        self.needs.push(need.clone());
    }

    /// The answer to a call that nothing refused.
    pub(super) fn settle(self, rule: &Rule) -> Decision {
        let admission = Admission {
            rule: rule.clone(),
            charges: self.charges,
        };
        let (Some(timeout_ms), Some(hold_ms)) = (self.timeout_ms, self.hold_ms) else {
            return Decision::Allow(admission);
        };
        Decision::Ask(Asking {
            admission,
            needs: self.needs,
            timeout_ms,
            hold_ms: hold_ms.min(timeout_ms),
        })
    }
}

impl Call<'_> {
    /// The rule that lets the call pass, if nothing refuses it.
    pub(super) const fn opening(&self) -> &Rule {
        match self.standing {
            Standing::Open(rule) => rule,
            _ => &Rule::DEFAULT_DENY,
        }
    }

    pub(super) fn walk(&self, witness: &mut impl Witness) -> ControlFlow<(), Dues> {
        self.check_shape(witness)?;
        self.check_spelling(self.matching.general(), witness)?;
        if matches!(self.standing, Standing::Hidden) {
            let reason = format!("Unknown {}: {}", self.kind, self.name);
            witness.refuse(Decision::Hide(Refusal::new(&Rule::HIDDEN, reason)))?;
        }
        // A hidden name's own rules must not answer before it is hidden: they would show it.
        self.check_spelling(self.matching.selected(), witness)?;
        self.check_declared_spelling(witness)?;
        if matches!(self.standing, Standing::NotPinned) {
            witness.refuse(Decision::Deny(self.not_pinned()))?;
        }
        self.check_actions(witness)?;
        match self.standing {
            Standing::Unnamed => {
                witness.refuse(Decision::Deny(unnamed(self.kind, self.name)))?;
            }
            Standing::Open(rule) => witness.note(rule, false, || self.named()),
            Standing::Hidden | Standing::NotPinned => {}
        }
        for set in self.matching.sets() {
            self.check_rules(set, witness)?;
        }
        let mut dues = Dues::default();
        self.check_flow(&mut dues, witness)?;
        for limit in self.matching.sets().flat_map(|set| &set.limits) {
            self.check_limit(limit, &mut dues, witness)?;
        }
        self.ask(&mut dues, witness);
        ControlFlow::Continue(dues)
    }

    fn check_shape(&self, witness: &mut impl Witness) -> ControlFlow<()> {
        match self.scene.facts.args {
            None => ControlFlow::Continue(()),
            Some(args) if matches!(args.kind, Kind::Object(_)) => ControlFlow::Continue(()),
            Some(other) => {
                let found = other.type_name();
                let reason = format!("the arguments must be an object, not {found}");
                witness.refuse(Decision::Deny(malformed(reason)))
            }
        }
    }

    fn check_spelling<'p>(
        &self,
        sets: impl IntoIterator<Item = &'p RuleSet>,
        witness: &mut impl Witness,
    ) -> ControlFlow<()> {
        let Some(args) = self.scene.facts.args else {
            return ControlFlow::Continue(());
        };
        let imitation = sets.into_iter().find_map(|set| set.imitation(args));
        refuse_imitation(imitation, "the policy uses", witness)
    }

    fn check_declared_spelling(&self, witness: &mut impl Witness) -> ControlFlow<()> {
        let (Some(args), Some(schema)) = (self.scene.facts.args, self.scene.schema) else {
            return ControlFlow::Continue(());
        };
        refuse_imitation(
            schema.imitation(args),
            "the tool's schema declares",
            witness,
        )
    }

    fn check_actions(&self, witness: &mut impl Witness) -> ControlFlow<()> {
        for denial in self.matching.sets().filter_map(|set| set.denies.as_ref()) {
            let reason = match &denial.reason {
                Some(text) => text.to_string(),
                None => format!("the {} {} is denied by policy", self.kind, shown(self.name)),
            };
            witness.refuse(Decision::Deny(Refusal::new(&denial.rule, reason)))?;
        }
        ControlFlow::Continue(())
    }

    fn check_rules(&self, set: &RuleSet, witness: &mut impl Witness) -> ControlFlow<()> {
        for guard in &set.deny_if {
            match all(&guard.conditions, &self.scene, Purpose::Catch) {
                Truth::False => self.note_guard(guard, Purpose::Catch, witness),
                Truth::True | Truth::Error(_) => {
                    self.refuse_for(guard, Purpose::Catch, witness)?;
                }
            }
        }
        for guard in &set.require {
            match all(&guard.conditions, &self.scene, Purpose::Demand) {
                Truth::True => self.note_guard(guard, Purpose::Demand, witness),
                Truth::False | Truth::Error(_) => {
                    self.refuse_for(guard, Purpose::Demand, witness)?;
                }
            }
        }
        match &set.validate {
            Some(validation) => self.check_schema(validation, witness),
            None => ControlFlow::Continue(()),
        }
    }

    fn note_guard(&self, guard: &Guard, purpose: Purpose, witness: &mut impl Witness) {
        witness.note(&guard.rule, false, || {
            let found = findings(&guard.conditions, &self.scene, purpose);
            match purpose {
                Purpose::Catch => format!("not denied: {found}"),
                Purpose::Demand => format!("satisfied: {found}"),
            }
        });
    }

    fn refuse_for(
        &self,
        guard: &Guard,
        purpose: Purpose,
        witness: &mut impl Witness,
    ) -> ControlFlow<()> {
        witness.refuse_for(self.refused_by(guard, purpose), || {
            let found = findings(&guard.conditions, &self.scene, purpose);
            let (word, told) = match purpose {
                Purpose::Catch => ("denied", &guard.on_deny),
                Purpose::Demand => ("not satisfied", &guard.on_deny),
            };
            match told {
                Some(told) => format!("{word}: {found}; the agent is told: {told}"),
                None => format!("{word}: {found}"),
            }
        })
    }

    fn check_schema(&self, validation: &Validation, witness: &mut impl Witness) -> ControlFlow<()> {
        static NO_ARGS: Value<'static> = Value {
            span: Span { start: 0, end: 0 },
            kind: Kind::Object(Vec::new()),
        };
        let args = self.scene.facts.args.unwrap_or(&NO_ARGS);
        let verdict = match self.scene.schema {
            None => Err(Invalid::Unanswerable(
                "the tool's schema is not known".to_owned(),
            )),
            Some(schema) => schema.validate(args).and_then(|()| {
                if validation.closed {
                    schema.is_closed_over(args)
                } else {
                    Ok(())
                }
            }),
        };
        let reason = match verdict {
            Ok(()) => {
                witness.note(&validation.rule, false, || {
                    "the arguments are as the tool's schema says".to_owned()
                });
                return ControlFlow::Continue(());
            }
            Err(Invalid::Breach(what)) => format!("the arguments do not fit the tool: {what}"),
            Err(Invalid::Unanswerable(why)) => {
                format!("the arguments cannot be held against the tool's schema: {why}")
            }
        };
        witness.refuse(Decision::Deny(Refusal::new(&validation.rule, reason)))
    }

    fn check_flow(&self, dues: &mut Dues, witness: &mut impl Witness) -> ControlFlow<()> {
        let Some(tool) = self.tool() else {
            return ControlFlow::Continue(());
        };
        for flow in self.flow.iter().filter(|flow| flow.guards(&tool)) {
            let Some(held) = flow.seen(self.scene.facts) else {
                witness.note(&flow.rule, false, || {
                    format!(
                        "the caller has seen nothing that {} is about",
                        shown(&flow.name)
                    )
                });
                continue;
            };
            match &flow.effect {
                FlowEffect::Deny { on_deny } => {
                    let reason = on_deny.as_ref().map_or_else(
                        || {
                            let (name, label) = (shown(&flow.name), shown(&held.label.to_string()));
                            format!("the flow rule {name} denies this after {label} was seen")
                        },
                        ToString::to_string,
                    );
                    let until = held.at.plus(i64::try_from(flow.for_ms).unwrap_or(i64::MAX));
                    let wait = until.since(self.scene.facts.now);
                    let refusal = Refusal {
                        retry_after_ms: u64::try_from(wait).ok(),
                        ..Refusal::new(&flow.rule, reason)
                    };
                    witness.refuse(Decision::Deny(refusal))?;
                }
                FlowEffect::Ask(need) => {
                    witness.note(&flow.rule, true, || {
                        let label = shown(&held.label.to_string());
                        format!("a person must approve, for {label} was seen")
                    });
                    dues.add(need, super::DEFAULT_TIMEOUT_MS, super::DEFAULT_HOLD_MS);
                }
            }
        }
        ControlFlow::Continue(())
    }

    const fn tool(&self) -> Option<ToolFacts<'_>> {
        match self.scene.facts.subject {
            Subject::Tool(tool) => Some(tool),
            _ => None,
        }
    }

    fn check_limit(
        &self,
        limit: &Limit,
        dues: &mut Dues,
        witness: &mut impl Witness,
    ) -> ControlFlow<()> {
        let facts = self.scene.facts;
        let charge = match limit.charge(facts) {
            Ok(charge) => charge,
            Err(refusal) => return witness.refuse(Decision::Deny(refusal)),
        };
        if let Err(shortfall) = self.readings.would_hold(&charge, facts.now) {
            return witness.refuse(Decision::Deny(refusal(&charge, &shortfall)));
        }
        witness.note(&limit.rule, false, || {
            // The cost may be an argument's value, which is not told.
            let counter = shown(charge.key.counter());
            format!("there is room for this call on {counter}")
        });
        dues.charges.push(charge);
        ControlFlow::Continue(())
    }

    fn ask(&self, dues: &mut Dues, witness: &mut impl Witness) {
        for ask in self.matching.sets().flat_map(|set| &set.asks) {
            let Ask { need, .. } = ask;
            if all(&ask.conditions, &self.scene, Purpose::Catch) == Truth::False {
                witness.note(&need.rule, false, || {
                    let found = findings(&ask.conditions, &self.scene, Purpose::Catch);
                    format!("need not be approved: {found}")
                });
                continue;
            }
            witness.note(&need.rule, true, || {
                let found = findings(&ask.conditions, &self.scene, Purpose::Catch);
                format!("a person must approve: {found}")
            });
            dues.add(need, ask.timeout_ms, ask.hold_ms);
        }
    }
}

fn refuse_imitation(
    imitation: Option<&str>,
    of_what: &str,
    witness: &mut impl Witness,
) -> ControlFlow<()> {
    let Some(key) = imitation else {
        return ControlFlow::Continue(());
    };
    let reason = format!(
        "the argument {} is another spelling of a name that {of_what}; \
         write it as the tool's schema does",
        shown(key)
    );
    witness.refuse(Decision::Deny(malformed(reason)))
}
