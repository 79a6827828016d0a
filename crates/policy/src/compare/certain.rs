//! What is certain of every call that a selector matches, before anything about the call is known:
//! whether it is refused whatever it asks, and whether its name is let pass.
//!
//! A change to rules that only refused calls meet changes nothing. Globs are held against each
//! other only where that is easy; what is not seen here is taken as not certain.

use super::{Shift, Side};
use crate::document::{Action, Entry, Selector, Verdict, WrittenRules};
use crate::glob::Glob;

/// The maps whose keys are selectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Map {
    Tools,
    Resources,
    Prompts,
}

impl Map {
    pub(super) const ALL: [Self; 3] = [Self::Tools, Self::Resources, Self::Prompts];

    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Resources => "resources",
            Self::Prompts => "prompts",
        }
    }

    fn glob(self, text: &str) -> Glob {
        match self {
            Self::Tools | Self::Prompts => Glob::of_names(text),
            Self::Resources => Glob::of_paths(text),
        }
    }

    /// Does the glob match whatever there is?
    fn is_everything(self, glob: &str) -> bool {
        matches!((self, glob), (_, "**") | (Self::Tools | Self::Prompts, "*"))
    }
}

/// Whatever one selector matches, or, without one, every tool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matched<'s> {
    pub(super) map: Map,
    pub(super) selector: Option<&'s Selector>,
}

/// Whether their names let calls pass, if no rule refuses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// All of them, or what nothing names passes anyway.
    Surely,
    /// None of those that are not refused anyway; and what nothing names is refused.
    Never,
    /// Some may.
    Perhaps,
}

impl<'s> Matched<'s> {
    pub(super) const fn by(map: Map, selector: &'s Selector) -> Self {
        let selector = Some(selector);
        Self { map, selector }
    }
}

impl Matched<'_> {
    pub(super) const EVERY_TOOL: Matched<'static> = Matched {
        map: Map::Tools,
        selector: None,
    };

    /// Does `other` match all of this?
    fn is_within(self, other: &Selector) -> bool {
        match (other, self.selector) {
            (Selector::Glob(glob), _) if self.map.is_everything(glob) => true,
            (Selector::Glob(glob), Some(Selector::Exact(name))) => {
                self.map.glob(glob).matches(name)
            }
            (other, Some(own)) => own == other,
            (_, None) => false,
        }
    }

    /// Can `other` match any of this?
    fn may_meet(self, other: &Selector) -> bool {
        match (self.selector, other) {
            (Some(Selector::Exact(own)), Selector::Exact(other)) => own == other,
            (Some(Selector::Exact(name)), Selector::Glob(glob))
            | (Some(Selector::Glob(glob)), Selector::Exact(name)) => {
                self.map.glob(glob).matches(name)
            }
            _ => true,
        }
    }
}

impl Side<'_> {
    pub(super) fn entries(&self, map: Map) -> &[Entry] {
        match map {
            Map::Tools => &self.document.tools,
            Map::Resources => &self.document.resources,
            Map::Prompts => &self.document.prompts,
        }
    }

    pub(super) fn named(&self, matched: Matched<'_>) -> Named {
        if self.document.default == Verdict::Allow {
            return Named::Surely;
        }
        let map = matched.map;
        // What is named only to be refused is as good as not named.
        let mut naming = self.entries(map).iter().filter(|entry| {
            names(entry) && !self.is_refused_by_rule(Matched::by(map, &entry.name))
        });
        // A class names what is surely of it, and restricts what may be: never the same tools.
        let surely = |entry: &Entry| {
            !matches!(entry.name, Selector::Kind(_)) && matched.is_within(&entry.name)
        };
        if naming.clone().any(surely) {
            Named::Surely
        } else if naming.any(|entry| matched.may_meet(&entry.name)) {
            Named::Perhaps
        } else {
            Named::Never
        }
    }

    /// Is every such call refused, whatever it asks?
    pub(super) fn is_shut(&self, matched: Matched<'_>) -> bool {
        self.is_refused_by_rule(matched) || self.named(matched) == Named::Never
    }

    fn is_refused_by_rule(&self, matched: Matched<'_>) -> bool {
        let refuses =
            |rules: &WrittenRules| matches!(rules.action, Some(Action::Deny | Action::Hide));
        let (mut hidden, mut all) = (self.document.hide.iter(), self.document.all_tools.iter());
        let mut entries = self.entries(matched.map).iter();
        entries.any(|entry| refuses(&entry.says) && matched.is_within(&entry.name))
            || matched.map == Map::Tools
                && (all.any(refuses) || hidden.any(|hidden| matched.is_within(&hidden.name)))
    }
}

/// Does the entry let what it matches pass, if no rule refuses it?
pub(super) const fn names(entry: &Entry) -> bool {
    matches!(
        (&entry.name, entry.says.action),
        (_, Some(Action::Allow | Action::RequireApproval)) | (Selector::Exact(_), _)
    )
}

/// What a difference in rules does that only calls of `matched` meet.
///
// INVARIANT: what was refused can only be allowed, what is refused now can only have been allowed.
pub(super) fn within(
    effect: Option<Shift>,
    matched: Matched<'_>,
    (old, new): (&Side<'_>, &Side<'_>),
) -> Option<Shift> {
    match (old.is_shut(matched), new.is_shut(matched)) {
        (false, false) => effect,
        (true, true) => Some(Shift::Nothing),
        (true, false) => effect.map_or(Some(Shift::AllowsMore), |e| {
            Some(e.without(Shift::RefusesMore))
        }),
        (false, true) => effect.map_or(Some(Shift::RefusesMore), |e| {
            Some(e.without(Shift::AllowsMore))
        }),
    }
}
