//! The official Rust client, for tests that have the other official clients as scripts.
//!
//! ```text
//! portreeve-rmcp-client facts       what this SDK knows, for the matrix
//! portreeve-rmcp-client matrix      jobs on stdin, one JSON array; what was seen on stdout, as lines
//! portreeve-rmcp-client suite URL   a client of the conformance suite's, with the suite's environment
//! ```

mod agent;
mod job;
mod suite;

use std::collections::VecDeque;
use std::io::Read as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::model::ProtocolVersion;
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::job::Job;

const AT_ONCE: usize = 4;
const PATIENCE: Duration = Duration::from_secs(20);
const FEATURES: [&str; 7] = [
    "era",
    "list",
    "call",
    "progress",
    "cancel",
    "sampling",
    "elicitation",
];

// With one thread, what is told one after another is handled one after another.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["facts"] => facts(),
        ["matrix"] => matrix().await?,
        ["suite", url] => suite::run(url).await?,
        _ => anyhow::bail!("usage: facts | matrix | suite URL"),
    }
    Ok(())
}

fn facts() {
    let revisions = ProtocolVersion::KNOWN_VERSIONS.iter();
    let revisions: Vec<&str> = revisions.map(ProtocolVersion::as_str).collect();
    println!("{}", json!({ "revisions": revisions }));
}

/// Does the matrix's jobs, some at once. It judges nothing.
async fn matrix() -> anyhow::Result<()> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let jobs: VecDeque<Job> = serde_json::from_str(&text)?;
    let jobs = Arc::new(Mutex::new(jobs));
    let workers: Vec<_> = (0..AT_ONCE)
        .map(|_| tokio::spawn(work(jobs.clone())))
        .collect();
    for worker in workers {
        worker.await?;
    }
    Ok(())
}

async fn work(jobs: Arc<Mutex<VecDeque<Job>>>) {
    let next = || {
        jobs.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    };
    while let Some(job) = next() {
        run(&job).await;
    }
}

async fn run(job: &Job) {
    let connecting = tokio::time::timeout(PATIENCE, Agent::connect(job)).await;
    let mut agent = match connecting
        .map_err(anyhow::Error::from)
        .and_then(|connected| connected)
    {
        Ok(agent) => agent,
        Err(why) => return tell(job, "connect", Err(why)),
    };
    for feature in FEATURES {
        let using = tokio::time::timeout(PATIENCE, agent.use_feature(feature)).await;
        tell(
            job,
            feature,
            using.map_err(anyhow::Error::from).and_then(|seen| seen),
        );
    }
    if let Err(why) = agent.close().await {
        tell(job, "close", Err(why));
    }
}

fn tell(job: &Job, feature: &str, seen: anyhow::Result<Value>) {
    let line = match seen {
        Ok(seen) => json!({ "id": job.id, "feature": feature, "seen": seen }),
        Err(why) => json!({ "id": job.id, "feature": feature, "failed": format!("{why:?}") }),
    };
    println!("{line}");
}
