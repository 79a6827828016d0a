//! The tools: five re-run tools as they are found in the wild, and what makes them usable.
//!
//! Each vendor's file holds the definition as on the wire and the behaviour; what a run may do is
//! the engine's business, how a call arrives the protocol's.

use serde_json::{Map, Value};

use super::engine::Engine;
use super::engine::commands::Refusal;
use super::engine::model::RunId;
use super::progress::Progress;

mod added;
mod answer;
mod change;
mod circleci;
mod flowforge;
mod look;
mod pare;
mod rolli;
#[cfg(test)]
mod tests;
mod view;

pub(super) use added::Added;
pub(super) use answer::Answer;

/// Every tool that is built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    RunRerun,
    RerunAgentRun,
    RerunWorkflow,
    RetryRun,
    ReplayRun,
    ListRuns,
    GetRun,
    ListSteps,
    ListJobs,
    ReadRunLog,
    StartRun,
    CancelRun,
    DeleteRun,
    ChangeTools,
}

impl Tool {
    /// In the order of the list; `demo_add_tool` is offered only on demand.
    pub(super) const LISTED: [Self; 13] = [
        Self::RunRerun,
        Self::RerunAgentRun,
        Self::RerunWorkflow,
        Self::RetryRun,
        Self::ReplayRun,
        Self::ListRuns,
        Self::GetRun,
        Self::ListSteps,
        Self::ListJobs,
        Self::ReadRunLog,
        Self::StartRun,
        Self::CancelRun,
        Self::DeleteRun,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::RunRerun => "run-rerun",
            Self::RerunAgentRun => "rerun_agent_run",
            Self::RerunWorkflow => "rerun_workflow",
            Self::RetryRun => "flowforge_retry_run",
            Self::ReplayRun => "flowforge_replay_run",
            Self::ListRuns => "list_runs",
            Self::GetRun => "get_run",
            Self::ListSteps => "list_steps",
            Self::ListJobs => "list_jobs",
            Self::ReadRunLog => "read_run_log",
            Self::StartRun => "start_run",
            Self::CancelRun => "cancel_run",
            Self::DeleteRun => "delete_run",
            Self::ChangeTools => "demo_add_tool",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        let mut all = Self::LISTED.into_iter().chain([Self::ChangeTools]);
        all.find(|tool| tool.name() == name)
    }

    /// The definition as `tools/list` shows it.
    pub(super) fn definition(self) -> Value {
        let of_run = |description| look::of_run_definition(self.name(), description);
        match self {
            Self::RunRerun => pare::definition(),
            Self::RerunAgentRun => rolli::definition(),
            Self::RerunWorkflow => circleci::definition(),
            Self::RetryRun => flowforge::retry_definition(),
            Self::ReplayRun => flowforge::replay_definition(),
            Self::ListRuns => look::list_runs_definition(),
            Self::GetRun => look::get_run_definition(),
            Self::ListSteps => of_run("Lists a run's steps, with how often each was executed."),
            Self::ListJobs => of_run("Lists a run's jobs."),
            Self::ReadRunLog => of_run("Reads a run's log."),
            Self::StartRun => change::start_definition(),
            Self::CancelRun => change::cancel_definition(),
            Self::DeleteRun => change::delete_definition(),
            Self::ChangeTools => added::definition(),
        }
    }
}

/// What a tool works with.
pub(super) struct Bench<'a> {
    pub(super) engine: &'a Engine,
    pub(super) added: &'a Added,
}

impl Bench<'_> {
    /// Calls a tool. An error of the tool is an answer too.
    pub(super) async fn call(
        &self,
        tool: Tool,
        given: &Map<String, Value>,
        progress: &mut Progress,
    ) -> Answer {
        let engine = self.engine;
        let answer = match tool {
            Tool::RunRerun => pare::call(engine, given).await,
            Tool::RerunAgentRun => rolli::call(engine, given).await,
            Tool::RerunWorkflow => circleci::call(engine, given).await,
            Tool::RetryRun => flowforge::call(engine, given, "retry").await,
            Tool::ReplayRun => flowforge::call(engine, given, "replay").await,
            Tool::ListRuns => look::list_runs(engine, given),
            Tool::GetRun => look::get_run(engine, given, progress).await,
            Tool::ListSteps => look::of_run(engine, given, view::steps),
            Tool::ListJobs => look::of_run(engine, given, view::jobs),
            Tool::ReadRunLog => look::read_run_log(engine, given),
            Tool::StartRun => change::start(engine, given).await,
            Tool::CancelRun => change::cancel(engine, given).await,
            Tool::DeleteRun => change::delete(engine, given).await,
            Tool::ChangeTools => self.added.add(given),
        };
        answer.unwrap_or_else(|error| error)
    }

    /// Calls a tool that was added at run time.
    pub(super) fn call_added(name: &str, given: &Map<String, Value>) -> Answer {
        let given = Value::Object(given.clone());
        Answer::text(format!("{name} was called with {given}"))
    }
}

/// A random id (UUID version 4) for a new run.
fn new_uuid() -> Result<RunId, Refusal> {
    let bytes = super::random_bytes().ok_or(Refusal::NoRandomness)?;
    let number = u128::from_be_bytes(bytes);
    let versioned = (number & !(0xf << 76) | (0x4 << 76)) & !(0x3 << 62) | (0x2 << 62);
    let hex = format!("{versioned:032x}");
    let mut text = String::with_capacity(36);
    for (index, digit) in hex.chars().enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    Ok(RunId::new(text))
}
