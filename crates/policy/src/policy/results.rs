//! Which rules are about what comes back from a call.

use super::Policy;
use crate::facts::Subject;
use crate::redact::ResultRules;
use crate::traits::Traits;
use crate::uri;

impl Policy {
    /// The rules for whatever comes back from this: results, errors, notifications.
    ///
    /// INVARIANT: every rule set that matches adds its redactions, and the smallest size counts.
    pub fn result_rules(&self, subject: &Subject<'_>) -> ResultRules {
        let matching = match subject {
            Subject::Tool(tool) => self.matching(tool),
            Subject::Resource { uri } => match uri::normalise(uri) {
                Ok(normal) => {
                    let matching = self.resources.matching(None, &normal, &Traits::UNKNOWN);
                    return collect(matching.sets());
                }
                Err(_) => return ResultRules::default(),
            },
            Subject::Prompt { name } => self.prompts.matching(None, name, &Traits::UNKNOWN),
            Subject::Method { .. } | Subject::ServerRequest(_) => return ResultRules::default(),
        };
        collect(matching.sets())
    }
}

fn collect<'p>(sets: impl Iterator<Item = &'p super::RuleSet>) -> ResultRules {
    let mut rules = ResultRules::default();
    for set in sets {
        rules.redact.extend(set.redact.iter().cloned());
        if let Some(limit) = &set.max_result_bytes {
            let smaller = rules
                .max_result_bytes
                .as_ref()
                .is_none_or(|known| limit.bytes < known.bytes);
            if smaller {
                rules.max_result_bytes = Some(limit.clone());
            }
        }
    }
    rules
}
