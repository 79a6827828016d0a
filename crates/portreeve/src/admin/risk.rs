//! What is to be known of a tool's definition before it is accepted, as people see it.

use portreeve_risk::scan::{self, Names};
use portreeve_risk::{Assessment, Bit};
use serde::{Deserialize, Serialize};

use crate::verdicts::assessment;

/// A verdict, and what the scan for poison found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskView {
    pub class: String,
    pub level: String,
    pub bits: Vec<String>,
    /// In hundredths.
    pub confidence: u8,
    pub rationale: String,
    /// `nothing`, `warn` or `quarantine`.
    pub scan: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FindingView>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingView {
    pub rule: String,
    /// A JSON Pointer into the definition.
    pub place: String,
    /// The definition's own, escaped and cut.
    pub words: String,
    pub meaning: String,
}

impl RiskView {
    /// Nothing of what is no definition.
    pub(super) fn of(definition: &str, server: &str, others: &Names) -> Option<Self> {
        let Assessment { verdict, findings } = assessment(definition, server, others)?;
        Some(Self {
            class: verdict.class.as_str().to_owned(),
            level: verdict.level.as_str().to_owned(),
            bits: verdict
                .bits
                .iter()
                .map(Bit::as_str)
                .map(str::to_owned)
                .collect(),
            confidence: verdict.confidence.0,
            rationale: verdict.rationale,
            scan: scan::level(&findings).as_str().to_owned(),
            findings: findings.into_iter().map(FindingView::of).collect(),
        })
    }
}

impl FindingView {
    fn of(finding: scan::Finding) -> Self {
        Self {
            rule: finding.rule.to_owned(),
            place: finding.place,
            words: finding.words,
            meaning: finding.meaning.to_owned(),
        }
    }
}
