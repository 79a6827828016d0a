//! Deciding one call.
//!
//! A pure function of policy, facts and readings: same inputs, same answer, same named rule. The
//! order of the refusals is part of the language, for the first one is the answer.

use super::Policy;
use super::rule_map::{Matching, RuleMap};
use super::rules::RuleSet;
use crate::decision::{Admission, Decision, Refusal, Rule, refusal};
use crate::facts::{Facts, Pin, ServerRequest, Subject, ToolFacts};
use crate::json::Kind;
use crate::limits::Readings;
use crate::uri;
use crate::visible::shown;

/// How a name stands with the policy, before anything about the call is asked.
enum Standing<'p> {
    Hidden,
    NotPinned,
    /// Nothing names it, and the default denies.
    Unnamed,
    /// It may be called unless something refuses; the rule is what lets it.
    Open(&'p Rule),
}

impl Policy {
    /// Decides one call. Nothing is charged: an allowed call says what it owes.
    pub fn decide(&self, facts: &Facts<'_>, readings: &dyn Readings) -> Decision {
        let answer = match facts.subject {
            Subject::Tool(tool) => {
                let matching = self.tools.matching(self.all_tools.as_ref(), tool.name);
                let standing = self.standing_of_tool(&tool, &matching);
                let call = Call {
                    kind: "tool",
                    name: tool.name,
                    matching,
                };
                call.decide(&standing, facts, readings)
            }
            Subject::Resource { uri } => match uri::normalise(uri) {
                Ok(normal) => {
                    self.decide_named(("resource", &normal), &self.resources, facts, readings)
                }
                Err(why) => Err(deny(malformed(format!("the URI is refused: {why}")))),
            },
            Subject::Prompt { name } => {
                self.decide_named(("prompt", name), &self.prompts, facts, readings)
            }
            Subject::Method { name } => self.decide_method(name),
            Subject::ServerRequest(request) => self.decide_server_request(request),
        };
        match answer {
            Ok(admission) => Decision::Allow(admission),
            Err(refused) => refused,
        }
    }

    /// Does the tool stand in the server's list for this caller? Arguments, time and limits do not
    /// matter.
    pub fn lists(&self, tool: &ToolFacts<'_>) -> bool {
        let matching = self.tools.matching(self.all_tools.as_ref(), tool.name);
        matches!(self.standing_of_tool(tool, &matching), Standing::Open(_))
    }

    /// The same for a resource.
    pub fn lists_resource(&self, uri: &str) -> bool {
        uri::normalise(uri).is_ok_and(|normal| {
            let matching = self.resources.matching(None, &normal);
            matches!(self.standing(&matching), Standing::Open(_))
        })
    }

    /// The same for a prompt.
    pub fn lists_prompt(&self, name: &str) -> bool {
        let matching = self.prompts.matching(None, name);
        matches!(self.standing(&matching), Standing::Open(_))
    }

    fn standing_of_tool<'p>(
        &'p self,
        tool: &ToolFacts<'_>,
        matching: &Matching<'p>,
    ) -> Standing<'p> {
        let standing = self.standing(matching);
        if self.hidden.contains(tool.name)
            || self.hidden_globs.iter().any(|glob| glob.matches(tool.name))
        {
            return Standing::Hidden;
        }
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

    fn decide_named(
        &self,
        (kind, name): (&'static str, &str),
        map: &RuleMap,
        facts: &Facts<'_>,
        readings: &dyn Readings,
    ) -> Result<Admission, Decision> {
        let matching = map.matching(None, name);
        let standing = self.standing(&matching);
        let call = Call {
            kind,
            name,
            matching,
        };
        call.decide(&standing, facts, readings)
    }

    fn decide_method(&self, name: &str) -> Result<Admission, Decision> {
        match self.methods.get(name) {
            Some(ruling) if ruling.allows => Ok(free(&ruling.rule)),
            Some(ruling) => {
                let reason = format!("the method {} is denied by policy", shown(name));
                Err(deny(Refusal::new(&ruling.rule, reason)))
            }
            None if self.default_allows => Ok(free(&Rule::DEFAULT_ALLOW)),
            None => Err(deny(unnamed("method", name))),
        }
    }

    fn decide_server_request(&self, request: ServerRequest) -> Result<Admission, Decision> {
        let key = request.key();
        match self.server_requests.get(&request) {
            Some(ruling) if ruling.allows => Ok(free(&ruling.rule)),
            None if request.allowed_unless_denied() => Ok(free(&Rule::DEFAULT_ALLOW)),
            Some(ruling) => {
                let reason = format!("the server may not ask for `{key}`: it is denied by policy");
                Err(deny(Refusal::new(&ruling.rule, reason)))
            }
            None => {
                let reason = format!(
                    "the server may not ask for `{key}` unless the policy allows it \
                     under `server_requests`"
                );
                Err(deny(Refusal::new(&Rule::DEFAULT_DENY, reason)))
            }
        }
    }
}

/// A call and the rule sets that match it.
struct Call<'p> {
    kind: &'static str,
    name: &'p str,
    matching: Matching<'p>,
}

impl Call<'_> {
    fn decide(
        &self,
        standing: &Standing<'_>,
        facts: &Facts<'_>,
        readings: &dyn Readings,
    ) -> Result<Admission, Decision> {
        Self::check_shape(facts)?;
        Self::check_spelling(self.matching.general(), facts)?;
        if matches!(standing, Standing::Hidden) {
            let reason = format!("Unknown {}: {}", self.kind, self.name);
            return Err(Decision::Hide(Refusal::new(&Rule::HIDDEN, reason)));
        }
        // A hidden name's own rules must not answer before it is hidden: they would show it.
        Self::check_spelling(self.matching.selected(), facts)?;
        if matches!(standing, Standing::NotPinned) {
            return Err(deny(self.not_pinned()));
        }
        self.check_actions()?;
        let Standing::Open(rule) = standing else {
            return Err(deny(unnamed(self.kind, self.name)));
        };
        let mut charges = Vec::new();
        for limit in self.matching.sets().flat_map(|set| &set.limits) {
            let charge = limit.charge(facts).map_err(deny)?;
            readings
                .would_hold(&charge, facts.now)
                .map_err(|shortfall| deny(refusal(&charge, &shortfall)))?;
            charges.push(charge);
        }
        Ok(Admission {
            rule: (*rule).clone(),
            charges,
        })
    }

    fn check_shape(facts: &Facts<'_>) -> Result<(), Decision> {
        match facts.args.map(|args| (&args.kind, args.type_name())) {
            None | Some((Kind::Object(_), _)) => Ok(()),
            Some((_, found)) => {
                let reason = format!("the arguments must be an object, not {found}");
                Err(deny(malformed(reason)))
            }
        }
    }

    fn check_spelling<'p>(
        sets: impl IntoIterator<Item = &'p RuleSet>,
        facts: &Facts<'_>,
    ) -> Result<(), Decision> {
        let imitation = facts.args.and_then(|args| {
            let mut sets = sets.into_iter();
            sets.find_map(|set| set.imitation(args))
        });
        let Some(key) = imitation else {
            return Ok(());
        };
        let reason = format!(
            "the argument {} is another spelling of a name that the policy uses; \
             write it as the tool's schema does",
            shown(key)
        );
        Err(deny(malformed(reason)))
    }

    fn check_actions(&self) -> Result<(), Decision> {
        let Some(denial) = self.matching.sets().find_map(|set| set.denies.as_ref()) else {
            return Ok(());
        };
        let reason = match &denial.reason {
            Some(text) => text.to_string(),
            None => format!("the {} {} is denied by policy", self.kind, shown(self.name)),
        };
        Err(deny(Refusal::new(&denial.rule, reason)))
    }

    fn not_pinned(&self) -> Refusal {
        let reason = format!(
            "the tool {} is not accepted on this server, or its definition has changed since; \
             a person must accept it first",
            shown(self.name)
        );
        Refusal::new(&Rule::NOT_PINNED, reason)
    }
}

fn deny(refusal: Refusal) -> Decision {
    Decision::Deny(refusal)
}

/// An admission that owes nothing.
fn free(rule: &Rule) -> Admission {
    Admission {
        rule: rule.clone(),
        charges: Vec::new(),
    }
}

fn malformed(reason: String) -> Refusal {
    Refusal::new(&Rule::MALFORMED, reason)
}

fn unnamed(kind: &str, name: &str) -> Refusal {
    let reason = format!(
        "the policy does not name the {kind} {}, and its default is deny",
        shown(name)
    );
    Refusal::new(&Rule::DEFAULT_DENY, reason)
}
