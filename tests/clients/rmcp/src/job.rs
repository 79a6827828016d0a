//! What the matrix asks for, as it is written.

use std::collections::HashMap;

use serde::Deserialize;

#[derive(Deserialize)]
pub struct Job {
    pub id: String,
    pub era: Era,
    /// What stands before every tool's name.
    pub prefix: String,
    #[serde(flatten)]
    pub way: Way,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Era {
    Legacy,
    Modern,
}

#[derive(Deserialize)]
#[serde(tag = "transport", rename_all = "lowercase")]
pub enum Way {
    Http {
        url: String,
        token: String,
    },
    Stdio {
        command: Vec<String>,
        env: HashMap<String, String>,
    },
}
