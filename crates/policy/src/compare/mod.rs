//! What is different between two policies, by what it means and not by how it is written.
//!
//! Each difference stands for itself. Whether it lets more calls pass or fewer is said only where
//! that is certain for every call, at the same counter readings; what needs knowledge of a server's
//! tools, or of what people will write into arguments, is left open.

mod entries;
mod flow;
mod guards;
mod limits;
mod root;
mod rules;

use crate::document::{PolicyDocument, document};
use crate::json::{Rules, Value, parse};
use crate::problem::{Pointer, Problem, Problems};

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
    /// No call that passed is refused or waits now.
    AllowsMore,
    /// No call that was refused or waited passes now.
    RefusesMore,
    /// Nothing else is allowed or refused.
    Nothing,
}

impl Shift {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AllowsMore => "allows more",
            Self::RefusesMore => "refuses more",
            Self::Nothing => "same calls",
        }
    }

    /// The shift of the opposite change.
    const fn back(self) -> Self {
        match self {
            Self::AllowsMore => Self::RefusesMore,
            Self::RefusesMore => Self::AllowsMore,
            Self::Nothing => Self::Nothing,
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

/// What all changes do together, if it can be told.
pub fn overall(changes: &[Change]) -> Option<Shift> {
    let shifts: Vec<Option<Shift>> = changes.iter().map(|change| change.effect).collect();
    together(&shifts)
}

/// A policy as it is written, and the tree it was read from.
struct Side<'t> {
    tree: &'t Value<'t>,
    document: PolicyDocument,
}

impl<'t> Side<'t> {
    fn of(text: &[u8], tree: &'t Value<'t>) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::new(text);
        let document = document(tree, &mut problems);
        problems.finish()?;
        let document = document.ok_or_else(Vec::new)?;
        Ok(Self { tree, document })
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

    fn reworded(&mut self, pointer: &Pointer, what: &str) {
        let words = format!("{what} is worded differently");
        self.add(ChangeKind::Reworded, pointer, words, Some(Shift::Nothing));
    }

    fn reordered(&mut self, pointer: &Pointer, what: &str) {
        let words = format!("{what} stand in another order; which refusal is told may differ");
        self.add(ChangeKind::Reordered, pointer, words, Some(Shift::Nothing));
    }
}

/// The differences between two policies; none if they mean the same.
///
/// Both must be policies: the error tells the problems of the one that is not.
pub fn compare(old: &[u8], new: &[u8]) -> Result<Vec<Change>, Vec<Problem>> {
    let (old_tree, new_tree) = (tree(old)?, tree(new)?);
    let old = Side::of(old, &old_tree)?;
    let new = Side::of(new, &new_tree)?;
    let mut changes = Changes::default();
    root::compare(&old, &new, &mut changes);
    Ok(changes.0)
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
