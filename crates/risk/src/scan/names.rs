//! Names of other servers' tools, which have no business in a definition.

use std::collections::HashSet;

use super::finding::{Finding, Weight};
use super::skeleton::Skeleton;
use super::texts::Text;

/// The names that are looked for. Only those that nobody writes by accident: with a separator, a
/// hump, and of some length.
#[derive(Clone, Debug, Default)]
pub struct Names {
    names: HashSet<String>,
}

impl Names {
    /// Names of tools of other servers than the one whose definition is scanned.
    pub fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let names = names
            .into_iter()
            .filter(|name| is_telling(name))
            .map(str::to_lowercase)
            .collect();
        Self { names }
    }

    pub(super) fn look(
        &self,
        text: &Text<'_>,
        skeleton: &Skeleton,
        own: &str,
        findings: &mut Vec<Finding>,
    ) {
        if self.names.is_empty() || text.is_name {
            return;
        }
        let is_inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        let named = skeleton
            .text
            .split(|c| !is_inside(c))
            .map(|word| word.trim_matches(['.', '-']))
            .find(|word| self.names.contains(*word) && !word.eq_ignore_ascii_case(own));
        if let Some(word) = named {
            findings.push(Finding::of(
                "shadow.name",
                Weight::Hint,
                &text.pointer,
                word,
                "the name of another server's tool",
            ));
        }
    }
}

fn is_telling(name: &str) -> bool {
    let hump = name
        .chars()
        .zip(name.chars().skip(1))
        .any(|(a, b)| a.is_lowercase() && b.is_uppercase());
    name.len() > 7 && (name.contains(['_', '-']) || hump)
}
