//! What the scan found, and what it amounts to.

use crate::evidence::quoted;

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule: a family, a full stop, what exactly. Rules of one family are one witness.
    pub rule: &'static str,
    pub weight: Weight,
    /// Where: a JSON Pointer into the definition.
    pub place: String,
    /// What was found: escaped, on one line, cut short.
    pub words: String,
    /// What it means, in our words.
    pub meaning: &'static str,
}

/// How much a finding says by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Innocent alone; counts beside others.
    Hint,
    /// Worth a warning.
    Sign,
    /// Has no innocent reading.
    Clear,
}

/// What findings amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Nothing,
    Warn,
    Quarantine,
}

impl Level {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Warn => "warn",
            Self::Quarantine => "quarantine",
        }
    }
}

impl Weight {
    const fn points(self) -> u32 {
        match self {
            Self::Hint => 1,
            Self::Sign => 2,
            Self::Clear => 4,
        }
    }
}

impl Finding {
    pub(super) fn of(
        rule: &'static str,
        weight: Weight,
        place: &str,
        words: &str,
        meaning: &'static str,
    ) -> Self {
        Self {
            rule,
            weight,
            place: place.to_owned(),
            words: quoted(words),
            meaning,
        }
    }

    fn family(&self) -> &'static str {
        self.rule.split('.').next().unwrap_or_default()
    }
}

/// What findings amount to together: each family speaks once, with its heaviest.
pub fn level(findings: &[Finding]) -> Level {
    let mut families: Vec<(&str, u32)> = Vec::new();
    for finding in findings {
        let points = finding.weight.points();
        match families
            .iter_mut()
            .find(|(family, _)| *family == finding.family())
        {
            Some((_, most)) => *most = points.max(*most),
            None => families.push((finding.family(), points)),
        }
    }
    let points = families
        .iter()
        .fold(0_u32, |sum, (_, most)| sum.saturating_add(*most));
    match points {
        0 | 1 => Level::Nothing,
        2 | 3 => Level::Warn,
        _ => Level::Quarantine,
    }
}

/// More findings are not kept.
const MOST: usize = 50;

/// The findings that count, the heaviest first; none, if they amount to nothing.
pub(super) fn settled(mut findings: Vec<Finding>) -> Vec<Finding> {
    if level(&findings) == Level::Nothing {
        return Vec::new();
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.weight));
    findings.dedup_by(|a, b| a.rule == b.rule && a.place == b.place);
    findings.truncate(MOST);
    findings
}
