//! What is different between two policies, by what it means and not by how it is written.
//!
//! Each difference stands for itself. Whether it can let more calls pass or only fewer is said where
//! that is certain for every call, at the same counter readings and after the same that was seen; what
//! needs knowledge of a server's tools, or of what people will write into arguments, is left open.

mod certain;
mod entries;
mod example;
mod flow;
mod guards;
mod limits;
mod root;
mod rules;

use crate::document::{PolicyDocument, document};
use crate::json::{Rules, Value, parse};
use crate::policy::{Policy, compile, normal_uri};
use crate::problem::{Pointer, Problem, Problems};
use certain::Matched;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub kind: ChangeKind,
    /// JSON Pointer into the newer policy; into the older for what was removed.
    pub pointer: String,
    /// What is different, for people.
    pub words: String,
    /// Nothing if it cannot be told.
    pub effect: Option<Shift>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    Added,
    Removed,
    Changed,
    /// The same in another order.
    Reordered,
    /// The same in other words for people.
    Reworded,
}

impl ChangeKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
            Self::Reordered => "reordered",
            Self::Reworded => "reworded",
        }
    }
}

/// What a difference does to calls, for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shift {
    /// It can only help calls: none that passed is refused or waits now.
    AllowsMore,
    /// It can only hinder calls: none that was refused or waited passes now.
    RefusesMore,
    /// There are calls that it helps, and calls that it hinders.
    Both,
    /// Nothing else is allowed or refused.
    Nothing,
}

impl Shift {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AllowsMore => "allows more",
            Self::RefusesMore => "refuses more",
            Self::Both => "allows some and refuses some",
            Self::Nothing => "same calls",
        }
    }

    /// The shift of the opposite change.
    const fn back(self) -> Self {
        match self {
            Self::AllowsMore => Self::RefusesMore,
            Self::RefusesMore => Self::AllowsMore,
            other => other,
        }
    }

    /// What is left where `direction` is impossible.
    fn without(self, direction: Self) -> Self {
        if self == direction {
            return Self::Nothing;
        }
        match self {
            Self::Both => direction.back(),
            other => other,
        }
    }

    /// What a value that grew does, if a larger one refuses.
    fn refusing<T: Ord + Copy>(old: T, new: T) -> Self {
        match new.cmp(&old) {
            std::cmp::Ordering::Less => Self::AllowsMore,
            std::cmp::Ordering::Equal => Self::Nothing,
            std::cmp::Ordering::Greater => Self::RefusesMore,
        }
    }

    /// The same, if a larger one allows.
    fn allowing<T: Ord + Copy>(old: T, new: T) -> Self {
        Self::refusing(new, old)
    }
}

/// What all of these do together, if it can be told.
fn together(shifts: &[Option<Shift>]) -> Option<Shift> {
    shifts
        .iter()
        .try_fold(Shift::Nothing, |sum, shift| match (sum, (*shift)?) {
            (sum, Shift::Nothing) => Some(sum),
            (Shift::Nothing, shift) => Some(shift),
            (sum, shift) => (sum == shift).then_some(sum),
        })
}

/// A policy as it is written, the tree it was read from, and what it means.
struct Side<'t> {
    tree: &'t Value<'t>,
    document: PolicyDocument,
    policy: Policy,
}

impl<'t> Side<'t> {
    fn of(text: &[u8], tree: &'t Value<'t>) -> Result<Self, Vec<Problem>> {
        let policy = compile(text)?.policy;
        let mut problems = Problems::new(text);
        let document = document(tree, &mut problems);
        problems.finish()?;
        let mut document = document.ok_or_else(Vec::new)?;
        for entry in &mut document.resources {
            if let Ok(name) = normal_uri(&entry.name) {
                entry.name = name;
            }
        }
        Ok(Self {
            tree,
            document,
            policy,
        })
    }

    /// The value at a pointer.
    fn at(&self, pointer: &Pointer) -> Option<&'t Value<'t>> {
        let mut steps = pointer.as_str().split('/').skip(1);
        steps.try_fold(self.tree, |value, step| {
            let index = |elements: &'t [Value<'t>]| elements.get(step.parse::<usize>().ok()?);
            match value.elements() {
                Some(elements) => index(elements),
                None => value.get(&step.replace("~1", "/").replace("~0", "~")),
            }
        })
    }
}

/// Collects differences.
#[derive(Default)]
struct Changes(Vec<Change>);

impl Changes {
    fn add(
        &mut self,
        kind: ChangeKind,
        pointer: &Pointer,
        words: impl Into<String>,
        effect: Option<Shift>,
    ) {
        self.0.push(Change {
            kind,
            pointer: pointer.as_str().to_owned(),
            words: words.into(),
            effect,
        });
    }

    /// What is told between is about calls of `matched`, and about no others.
    fn within(
        &mut self,
        matched: Matched<'_>,
        sides: (&Side<'_>, &Side<'_>),
        told: impl FnOnce(&mut Self),
    ) {
        let before = self.0.len();
        told(self);
        for change in self.0.iter_mut().skip(before) {
            change.effect = certain::within(change.effect, matched, sides);
        }
    }

    /// Rules that came or went. The place and the words of one are told by `told`, which learns
    /// whether it came.
    fn came_and_went<T>(
        &mut self,
        paired: &Paired<'_, T>,
        told: impl Fn(&T, bool) -> (Pointer, String),
    ) {
        for gone in &paired.removed {
            let (pointer, words) = told(gone, false);
            let effect = Some(Shift::AllowsMore);
            self.add(ChangeKind::Removed, &pointer, words, effect);
        }
        for come in &paired.added {
            let (pointer, words) = told(come, true);
            let effect = Some(Shift::RefusesMore);
            self.add(ChangeKind::Added, &pointer, words, effect);
        }
    }

    fn reworded(&mut self, pointer: &Pointer, what: &str) {
        let words = format!("{what} is worded differently");
        self.add(ChangeKind::Reworded, pointer, words, Some(Shift::Nothing));
    }

    fn reordered(&mut self, pointer: &Pointer, what: &str) {
        let words = format!("{what} stand in another order; which refusal is told may differ");
        self.add(ChangeKind::Reordered, pointer, words, Some(Shift::Nothing));
    }
}

/// What is different between two policies, and what that comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// None if they mean the same.
    pub changes: Vec<Change>,
    /// What all changes do together. Nothing if it cannot be told.
    pub effect: Option<Shift>,
}

/// The differences between two policies.
///
/// Both must be policies: the error tells the problems of the one that is not.
pub fn compare(old: &[u8], new: &[u8]) -> Result<Comparison, Vec<Problem>> {
    let (old_tree, new_tree) = (tree(old)?, tree(new)?);
    let old = Side::of(old, &old_tree)?;
    let new = Side::of(new, &new_tree)?;
    let mut changes = Changes::default();
    root::compare(&old, &new, &mut changes);
    let changes = changes.0;
    let shifts: Vec<Option<Shift>> = changes.iter().map(|change| change.effect).collect();
    let effect = together(&shifts).or_else(|| example::of_both(&old, &new));
    Ok(Comparison { changes, effect })
}

fn tree(text: &[u8]) -> Result<Value<'_>, Vec<Problem>> {
    parse(text, Rules::DOCUMENT).map_err(|_| {
        // The same trouble, with its place.
        let mut problems = Problems::new(text);
        crate::document::read(text, &mut problems);
        problems.finish().err().unwrap_or_default()
    })
}

/// Things that are found again by what they mean.
struct Paired<'t, T> {
    both: Vec<(&'t T, &'t T)>,
    removed: Vec<&'t T>,
    added: Vec<&'t T>,
    /// Do the common ones stand in another order?
    moved: bool,
}

fn pair<'t, T, K: PartialEq>(
    old: &'t [T],
    new: &'t [T],
    key: impl Fn(&T, bool) -> K,
) -> Paired<'t, T> {
    let mut left: Vec<(usize, &T, K)> = new
        .iter()
        .enumerate()
        .map(|(index, item)| (index, item, key(item, true)))
        .collect();
    let (mut both, mut removed, mut order) = (Vec::new(), Vec::new(), Vec::new());
    for item in old {
        let wanted = key(item, false);
        match left.iter().position(|(_, _, key)| *key == wanted) {
            None => removed.push(item),
            Some(found) => {
                let (index, other, _) = left.remove(found);
                both.push((item, other));
                order.push(index);
            }
        }
    }
    Paired {
        both,
        removed,
        added: left.into_iter().map(|(_, item, _)| item).collect(),
        moved: !order.is_sorted(),
    }
}

#[cfg(test)]
mod tests;
