//! Which rule sets are about a name.

use std::collections::HashMap;

use super::rules::RuleSet;
use crate::decision::Rule;
use crate::document::ToolKind;
use crate::glob::Glob;
use crate::traits::Traits;

/// Rule sets by their selectors.
#[derive(Clone, Debug, Default)]
pub(super) struct RuleMap {
    pub(super) exact: HashMap<Box<str>, RuleSet>,
    /// In the order of the document. The globs stand close together, for all are looked at.
    pub(super) globs: Vec<(Glob, Box<RuleSet>)>,
    /// In the order of the document.
    pub(super) kinds: Vec<(ToolKind, RuleSet)>,
}

/// The rule sets that match one call, every one of them: none cancels another.
#[derive(Clone, Debug)]
pub(super) struct Matching<'p> {
    all: Option<&'p RuleSet>,
    own: Option<&'p RuleSet>,
    /// By globs, then by classes.
    wider: Vec<&'p RuleSet>,
    names: Option<&'p Rule>,
}

impl RuleMap {
    /// Every set, by whatever selector.
    pub(super) fn sets(&self) -> impl Iterator<Item = &RuleSet> {
        let globs = self.globs.iter().map(|(_, set)| &**set);
        let kinds = self.kinds.iter().map(|(_, set)| set);
        self.exact.values().chain(globs).chain(kinds)
    }

    /// The sets that match `name`, and `all` before them.
    ///
    // INVARIANT: a class that only may be the tool's restricts it and never names it.
    pub(super) fn matching<'p>(
        &'p self,
        all: Option<&'p RuleSet>,
        name: &str,
        traits: &Traits<'_>,
    ) -> Matching<'p> {
        let mut matching = Matching {
            all,
            own: self.exact.get(name),
            wider: Vec::new(),
            names: None,
        };
        matching.names = matching.own.and_then(|set| set.names.as_ref());
        for (_, set) in self.globs.iter().filter(|(glob, _)| glob.matches(name)) {
            matching.names = matching.names.or(set.names.as_ref());
            matching.wider.push(set);
        }
        for (kind, set) in self.kinds.iter().filter(|(kind, _)| kind.may_be(traits)) {
            if kind.surely_is(traits) {
                matching.names = matching.names.or(set.names.as_ref());
            }
            matching.wider.push(set);
        }
        matching
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

    /// What was selected by name or by nature.
    pub(super) fn selected(&self) -> impl Iterator<Item = &'p RuleSet> {
        self.own.into_iter().chain(self.wider.iter().copied())
    }

    pub(super) fn hides(&self) -> bool {
        self.sets().any(|set| set.hides)
    }

    /// The rule that lets the call pass if nothing refuses it.
    pub(super) const fn names(&self) -> Option<&'p Rule> {
        self.names
    }
}
