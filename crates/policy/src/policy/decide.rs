//! Deciding one call.
//!
//! A pure function of policy, facts and readings: same inputs, same answer, same named rule. The
//! order of the refusals is part of the language, for the first one is the answer; it stands in
//! [`super::walk`].

use std::ops::ControlFlow;

use super::Policy;
use super::reasons::{malformed, unnamed};
use super::rule_map::{Matching, RuleMap};
use super::walk::{Call, Dues, Standing, Witness};
use crate::condition::Scene;
use crate::decision::{Decision, Refusal, Rule};
use crate::facts::{Facts, Pin, ServerRequest, Subject, ToolFacts};
use crate::limits::Readings;
use crate::traits::Traits;
use crate::uri;
use crate::visible::shown;

/// Takes the first refusal, and wants to hear nothing else.
struct First(Option<Decision>);

impl Witness for First {
    fn note(&mut self, _: &Rule, _: bool, _: impl FnOnce() -> String) {}

    fn refuse(&mut self, refused: Decision) -> ControlFlow<()> {
        self.0 = Some(refused);
        ControlFlow::Break(())
    }
}

impl Policy {
    /// Decides one call. Nothing is charged: an allowed call says what it owes.
    pub fn decide(&self, facts: &Facts<'_>, readings: &dyn Readings) -> Decision {
        let mut first = First(None);
        let settled = self.witnessed(facts, readings, &mut first);
        // Every refusal of this witness ends the walk, so one of the two is there.
        let refused = first.0.or(settled);
        refused.unwrap_or_else(|| Decision::Deny(malformed("nothing was decided".to_owned())))
    }

    /// Takes the witness past every rule that looks at the call. The answer to a call that nothing
    /// refused; nothing if the witness ended the walk.
    pub(super) fn witnessed(
        &self,
        facts: &Facts<'_>,
        readings: &dyn Readings,
        witness: &mut impl Witness,
    ) -> Option<Decision> {
        let walked = match facts.subject {
            Subject::Tool(tool) => {
                let matching = self.matching(&tool);
                let standing = self.standing_of_tool(&tool, &matching);
                let call = Call {
                    kind: "tool",
                    name: tool.name,
                    matching,
                    standing,
                    flow: &self.flow,
                    scene: Scene::new(facts, &self.zone),
                    readings,
                };
                finish(&call, witness)
            }
            Subject::Resource { uri } => match uri::normalise(uri) {
                Ok(normal) => {
                    let named = (("resource", &*normal), &self.resources);
                    self.judge_named(named, facts, readings, witness)
                }
                Err(why) => refused(malformed(format!("the URI is refused: {why}")), witness),
            },
            Subject::Prompt { name } => {
                let named = (("prompt", name), &self.prompts);
                self.judge_named(named, facts, readings, witness)
            }
            Subject::Method { name } => self.judge_method(name, witness),
            Subject::ServerRequest(request) => self.judge_server_request(request, witness),
        };
        match walked {
            ControlFlow::Continue(decision) => Some(decision),
            ControlFlow::Break(()) => None,
        }
    }

    /// Does the tool stand in the server's list for this caller? Arguments, time and limits do not
    /// matter.
    pub fn lists(&self, tool: &ToolFacts<'_>) -> bool {
        let matching = self.matching(tool);
        matches!(self.standing_of_tool(tool, &matching), Standing::Open(_))
    }

    /// The same for a resource.
    pub fn lists_resource(&self, uri: &str) -> bool {
        uri::normalise(uri).is_ok_and(|normal| {
            let matching = self.resources.matching(None, &normal, &Traits::UNKNOWN);
            matches!(self.standing(&matching), Standing::Open(_))
        })
    }

    /// The same for a prompt.
    pub fn lists_prompt(&self, name: &str) -> bool {
        let matching = self.prompts.matching(None, name, &Traits::UNKNOWN);
        matches!(self.standing(&matching), Standing::Open(_))
    }

    pub(super) fn matching(&self, tool: &ToolFacts<'_>) -> Matching<'_> {
        let all = self.all_tools.as_ref();
        self.tools.matching(all, tool.name, &tool.traits)
    }

    fn standing_of_tool<'p>(
        &'p self,
        tool: &ToolFacts<'_>,
        matching: &Matching<'p>,
    ) -> Standing<'p> {
        let mut wider = self.hidden_targets.iter();
        if self.hidden.contains(tool.name)
            || wider.any(|target| target.matches(tool.name, &tool.traits))
        {
            return Standing::Hidden;
        }
        let standing = self.standing(matching);
        match (&standing, tool.pin) {
            (Standing::Hidden, _) => Standing::Hidden,
            (_, Pin::Unpinned) => Standing::NotPinned,
            (_, Pin::Pinned | Pin::Judged) => standing,
        }
    }

    fn standing<'p>(&self, matching: &Matching<'p>) -> Standing<'p> {
        if matching.hides() {
            return Standing::Hidden;
        }
        match matching.names() {
            Some(rule) => Standing::Open(rule),
            None if self.default_allows => Standing::Open(&Rule::DEFAULT_ALLOW),
            None => Standing::Unnamed,
        }
    }

    fn judge_named(
        &self,
        ((kind, name), map): ((&'static str, &str), &RuleMap),
        facts: &Facts<'_>,
        readings: &dyn Readings,
        witness: &mut impl Witness,
    ) -> ControlFlow<(), Decision> {
        let matching = map.matching(None, name, &Traits::UNKNOWN);
        let standing = self.standing(&matching);
        let call = Call {
            kind,
            name,
            matching,
            standing,
            flow: &[],
            scene: Scene::new(facts, &self.zone),
            readings,
        };
        finish(&call, witness)
    }

    fn judge_method(&self, name: &str, witness: &mut impl Witness) -> ControlFlow<(), Decision> {
        let refusal = match self.methods.get(name) {
            Some(ruling) if ruling.allows => return free(&ruling.rule, witness),
            Some(ruling) => {
                let reason = format!("the method {} is denied by policy", shown(name));
                Refusal::new(&ruling.rule, reason)
            }
            None if self.default_allows => return free(&Rule::DEFAULT_ALLOW, witness),
            None => unnamed("method", name),
        };
        refused(refusal, witness)
    }

    fn judge_server_request(
        &self,
        request: ServerRequest,
        witness: &mut impl Witness,
    ) -> ControlFlow<(), Decision> {
        let key = request.key();
        let refusal = match self.server_requests.get(&request) {
            Some(ruling) if ruling.allows => return free(&ruling.rule, witness),
            None if request.allowed_unless_denied() => {
                return free(&Rule::DEFAULT_ALLOW, witness);
            }
            Some(ruling) => {
                let reason = format!("the server may not ask for `{key}`: it is denied by policy");
                Refusal::new(&ruling.rule, reason)
            }
            None => {
                let reason = format!(
                    "the server may not ask for `{key}` unless the policy allows it \
                     under `server_requests`"
                );
                Refusal::new(&Rule::DEFAULT_DENY, reason)
            }
        };
        refused(refusal, witness)
    }
}

fn finish(call: &Call<'_>, witness: &mut impl Witness) -> ControlFlow<(), Decision> {
    match call.walk(witness) {
        ControlFlow::Continue(dues) => ControlFlow::Continue(dues.settle(call.opening())),
        ControlFlow::Break(()) => ControlFlow::Break(()),
    }
}

/// What owes nothing passes.
fn free(rule: &Rule, witness: &mut impl Witness) -> ControlFlow<(), Decision> {
    witness.note(rule, false, || "allowed".to_owned());
    ControlFlow::Continue(Dues::default().settle(rule))
}

fn refused(refusal: Refusal, witness: &mut impl Witness) -> ControlFlow<(), Decision> {
    witness.refuse(Decision::Deny(refusal.clone()))?;
    ControlFlow::Continue(Decision::Deny(refusal))
}
