//! Which rules are about what comes back from a call.

use super::{Policy, RuleSet};
use crate::facts::Subject;
use crate::redact::{ResultLimit, ResultRules};
use crate::traits::Traits;
use crate::uri;

impl Policy {
    /// The rules for whatever comes back from this: results, errors, notifications.
    ///
    /// INVARIANT: every rule set that matches adds its redactions, and the smallest size counts.
    pub fn result_rules(&self, subject: &Subject<'_>) -> ResultRules {
        if !self.inspects_results {
            return ResultRules::default();
        }
        let unknown = Traits::UNKNOWN;
        let matching = match subject {
            Subject::Tool(tool) => self.matching(tool),
            Subject::Prompt { name } => self.prompts.matching(None, name, &unknown),
            Subject::Resource { uri } => match uri::normalise(uri) {
                Ok(normal) => {
                    let matching = self.resources.matching(None, &normal, &unknown);
                    return collect(matching.sets());
                }
                Err(_) => return self.result_rules_of_anything(),
            },
            // What a method gives back may be the result of any tool, as that of a task is.
            Subject::Method { .. } | Subject::ServerRequest(_) => {
                return self.result_rules_of_anything();
            }
        };
        collect(matching.sets())
    }

    /// The rules for something of which nobody can tell to which call it belongs: all of them.
    pub fn result_rules_of_anything(&self) -> ResultRules {
        let all = self.all_tools.iter();
        let maps = [&self.tools, &self.resources, &self.prompts];
        let mut rules = collect(all.chain(maps.into_iter().flat_map(super::RuleMap::sets)));
        // Those of exact names come in no order.
        rules
            .redact
            .sort_by(|a, b| a.rule().as_str().cmp(b.rule().as_str()));
        rules
    }
}

fn collect<'p>(sets: impl Iterator<Item = &'p RuleSet>) -> ResultRules {
    let mut rules = ResultRules::default();
    for set in sets {
        rules.redact.extend(set.redact.iter().cloned());
        if let Some(limit) = &set.max_result_bytes {
            let strictness = |limit: &ResultLimit| (limit.bytes, limit.rule.to_string());
            let known = rules.max_result_bytes.as_ref();
            if known.is_none_or(|known| strictness(limit) < strictness(known)) {
                rules.max_result_bytes = Some(limit.clone());
            }
        }
    }
    rules
}
