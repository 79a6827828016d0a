//! Which rule sets are about a name.

use std::collections::HashMap;

use super::rules::RuleSet;
use crate::decision::Rule;
use crate::glob::Glob;

/// Rule sets by their selectors.
#[derive(Clone, Debug, Default)]
pub(super) struct RuleMap {
    pub(super) exact: HashMap<Box<str>, RuleSet>,
    /// In the order of the document.
    pub(super) globs: Vec<(Glob, RuleSet)>,
}

/// The rule sets that match one call, every one of them: none cancels another.
#[derive(Clone, Debug)]
pub(super) struct Matching<'p> {
    all: Option<&'p RuleSet>,
    own: Option<&'p RuleSet>,
    globs: Vec<&'p RuleSet>,
}

impl RuleMap {
    /// The sets that match `name`, and `all` before them.
    pub(super) fn matching<'p>(&'p self, all: Option<&'p RuleSet>, name: &str) -> Matching<'p> {
        let globs = self.globs.iter().filter(|(glob, _)| glob.matches(name));
        Matching {
            all,
            own: self.exact.get(name),
            globs: globs.map(|(_, rules)| rules).collect(),
        }
    }
}

impl<'p> Matching<'p> {
    /// In the order in which their refusals count.
    pub(super) fn sets(&self) -> impl Iterator<Item = &'p RuleSet> {
        self.all.into_iter().chain(self.selected())
    }

    /// What every call meets.
    pub(super) const fn general(&self) -> Option<&'p RuleSet> {
        self.all
    }

    /// What was selected by name.
    pub(super) fn selected(&self) -> impl Iterator<Item = &'p RuleSet> {
        self.own.into_iter().chain(self.globs.iter().copied())
    }

    pub(super) fn hides(&self) -> bool {
        self.sets().any(|set| set.hides)
    }

    /// The rule that lets the call pass if nothing refuses it.
    pub(super) fn names(&self) -> Option<&'p Rule> {
        self.selected().find_map(|set| set.names.as_ref())
    }
}
