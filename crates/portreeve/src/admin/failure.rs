//! Why a request was not carried out, and what to do about it.

use serde::{Deserialize, Serialize};

use crate::policy_text::Problem;
use crate::store::StoreError;

/// The kind of a failure; a program's exit code follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The answer to the question is no: a bad policy, a broken chain.
    No,
    /// The request itself is wrong.
    Usage,
    /// It cannot be done now, or here.
    Cannot,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub answer: Answer,
    /// What went wrong, in one line.
    pub what: String,
    /// What to do, in one line.
    pub advice: Option<String>,
    /// The problems of a policy, if that is what went wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

impl Failure {
    fn new(answer: Answer, what: impl Into<String>, advice: impl Into<String>) -> Self {
        let advice = advice.into();
        Self {
            answer,
            what: what.into(),
            advice: (!advice.is_empty()).then_some(advice),
            problems: Vec::new(),
        }
    }

    pub fn cannot(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(Answer::Cannot, what, advice)
    }

    pub fn usage(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(Answer::Usage, what, advice)
    }

    pub fn no(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(Answer::No, what, advice)
    }

    /// An error whose text says already what to do, after a colon.
    pub fn saying(answer: Answer, error: &impl ToString) -> Self {
        Self::new(answer, error.to_string(), "")
    }

    pub fn bad_policy(problems: Vec<Problem>) -> Self {
        let errors = problems
            .iter()
            .filter(|problem| problem.severity == crate::policy_text::Severity::Error)
            .count();
        let plural = if errors == 1 { "" } else { "s" };
        Self {
            problems,
            ..Self::no(
                format!("the policy has {errors} error{plural} and was not stored"),
                "correct it and put it again",
            )
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::cannot(error.to_string(), error.advice())
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)?;
        match &self.advice {
            Some(advice) => write!(f, ": {advice}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}
