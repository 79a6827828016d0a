//! The meaning of a policy: what its words come to, ready to be asked.
//!
//! Nothing of the written form is left here but the pointers that name rules.

mod compile;
mod compile_rules;
mod decide;
mod explain;
mod flow;
mod nature;
mod reasons;
mod results;
mod rule_map;
mod rules;
mod walk;

use std::collections::{HashMap, HashSet};

pub use compile::{Checked, compile, normal_form};
pub(crate) use compile::{compile_tree, normal_uri};
pub use explain::{Effect, Explanation, Finding};

use crate::calendar::Zone;
use crate::decision::Rule;
use crate::document::{DEFAULT_HOLD_MS, DEFAULT_TIMEOUT_MS};
use crate::facts::ServerRequest;
use flow::{Flow, FlowEffect};
use nature::Target;
use rule_map::RuleMap;
use rules::RuleSet;

/// A compiled policy.
#[derive(Clone, Debug)]
pub struct Policy {
    description: Option<String>,
    /// May be called what nothing names?
    default_allows: bool,
    hidden: HashSet<Box<str>>,
    hidden_targets: Vec<Target>,
    zone: Zone,
    all_tools: Option<RuleSet>,
    tools: RuleMap,
    resources: RuleMap,
    prompts: RuleMap,
    methods: HashMap<Box<str>, Ruling>,
    server_requests: HashMap<ServerRequest, Ruling>,
    flow: Vec<Flow>,
    /// Whether any rule is about what comes back from a call.
    inspects_results: bool,
    /// The tools it mentions, in the order of the document.
    mentions: Vec<(Box<str>, Rule)>,
    /// The people it names as approvers, each once for every rule that does.
    approvers: Vec<(Box<str>, Rule)>,
}

/// A plain allow or deny, and the rule that says so.
#[derive(Clone, Debug)]
struct Ruling {
    allows: bool,
    rule: Rule,
}

impl Policy {
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The exact tool names the policy mentions, each with the rule that does, so that rules about
    /// tools a server does not have can be reported.
    pub fn tool_names(&self) -> impl Iterator<Item = (&str, &Rule)> {
        self.mentions.iter().map(|(name, rule)| (&**name, rule))
    }

    /// The people that the policy names as approvers, each with the rule that does, so that names of
    /// nobody can be reported: a call that waits for nobody can never pass.
    pub fn approvers(&self) -> impl Iterator<Item = (&str, &Rule)> {
        self.approvers.iter().map(|(name, rule)| (&**name, rule))
    }

    /// Whether any rule can make a call wait for people.
    pub fn asks_people(&self) -> bool {
        let maps = [&self.tools, &self.resources, &self.prompts];
        let named = maps.into_iter().flat_map(RuleMap::sets);
        let mut sets = self.all_tools.iter().chain(named);
        let mut flow = self.flow.iter();
        sets.any(|set| !set.asks.is_empty())
            || flow.any(|flow| matches!(flow.effect, FlowEffect::Ask(_)))
    }
}

#[cfg(test)]
impl Policy {
    /// The conditions of the first entry of a list of a tool, and the zone they are asked in.
    pub(crate) fn conditions(
        &self,
        tool: &str,
        list: &str,
    ) -> Option<(&Zone, &[crate::condition::Condition])> {
        let set = self.tools.exact.get(tool)?;
        let conditions = match list {
            "deny_if" => &set.deny_if.first()?.conditions,
            "require" => &set.require.first()?.conditions,
            _ => &set.asks.first()?.conditions,
        };
        Some((&self.zone, conditions))
    }
}

#[cfg(test)]
mod tests;
