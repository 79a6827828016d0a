//! The rules of every re-run, and what a restart may and may not do again.

use std::path::Path;

use super::commands::{self, Part, Plan};
use super::model::{Job, Obstacle, Service, Status, Step};
use super::*;

fn seeded() -> Engine {
    Engine::open(None, Clock::system(), seed::runs).unwrap()
}

fn on(path: &Path) -> Engine {
    Engine::open(Some(path), Clock::system(), |_| Vec::new()).unwrap()
}

fn id(text: &str) -> RunId {
    RunId::new(text)
}

fn fresh() -> RunId {
    id("c0000000-0000-4000-8000-000000000001")
}

fn plan(steps: u32, fail_at: Option<u32>, times: u32) -> Plan {
    Plan {
        service: Service::Flowforge,
        workflow: "test".into(),
        steps,
        step_ms: 0,
        fail_at,
        obstacle: Obstacle {
            times,
            rest_as: Status::Failed,
        },
    }
}

async fn rest(engine: &Engine, id: &RunId) -> Run {
    let mut watch = engine.watch(id.clone());
    loop {
        let run = watch.next().await.expect("the run");
        if !run.status.is_active() {
            return run.clone();
        }
    }
}

async fn start(engine: &Engine, plan: Plan) -> RunId {
    let decide = move |state: &State| commands::start(state, &plan, fresh());
    engine.commit(decide).await.unwrap()
}

async fn retry(engine: &Engine, id: &RunId) -> Result<String, Refusal> {
    let id = id.clone();
    engine
        .commit(move |state| commands::retry(state, &id))
        .await
}

fn executions(run: &Run) -> Vec<u32> {
    let steps = run.jobs.iter().flat_map(|job| &job.steps);
    steps.map(|step| step.executions).collect()
}

fn status(engine: &Engine, text: &str) -> Status {
    engine.read(|state| state.run(&id(text)).unwrap().status)
}

#[tokio::test]
async fn a_retry_resumes_at_the_failed_step_and_executes_no_memoized_one() {
    let engine = Engine::open(None, Clock::system(), |_| Vec::new()).unwrap();
    let run = start(&engine, plan(4, Some(3), 2)).await;
    let failed = rest(&engine, &run).await;
    assert_eq!(failed.status, Status::Failed);
    assert_eq!(executions(&failed), [1, 1, 1, 0]);
    assert_eq!(retry(&engine, &run).await.unwrap(), "step-3");
    assert_eq!(executions(&rest(&engine, &run).await), [1, 1, 2, 0]);
    retry(&engine, &run).await.unwrap();
    let done = rest(&engine, &run).await;
    assert_eq!(done.status, Status::Completed);
    assert_eq!(executions(&done), [1, 1, 3, 1]);
    assert_eq!((done.id, done.attempt), (run.clone(), 3));
    assert!(retry(&engine, &run).await.is_err());
}

#[tokio::test]
async fn retry_refuses_what_has_not_failed() {
    let engine = seeded();
    for run in [
        seed::FLOW_COMPLETED,
        seed::FLOW_CANCELLED,
        seed::FLOW_PAUSED,
    ] {
        let refusal = retry(&engine, &id(run)).await.unwrap_err();
        assert!(matches!(refusal, Refusal::NotNow { .. }), "{refusal}");
    }
    // An id of another service is unknown here.
    let refusal = retry(&engine, &id(seed::AGENT_FAILED)).await.unwrap_err();
    assert!(matches!(refusal, Refusal::NotFound { .. }), "{refusal}");
}

#[tokio::test]
async fn a_replay_is_a_new_run_that_executes_every_step_whatever_the_old_state() {
    let engine = seeded();
    for old in [
        seed::FLOW_COMPLETED,
        seed::FLOW_CANCELLED,
        seed::FLOW_PAUSED,
        seed::FLOW_FAILED,
    ] {
        let before = engine.read(|state| state.run(&id(old)).cloned()).unwrap();
        let decide = move |state: &State| commands::replay(state, &id(old), fresh());
        let new = engine.commit(decide).await.unwrap();
        let done = rest(&engine, &new).await;
        assert_eq!(done.status, Status::Completed, "{old}");
        assert_eq!(executions(&done), [1, 1, 1, 1]);
        assert_eq!(done.origin, Some(id(old)));
        assert_eq!(
            engine.read(|state| state.run(&id(old)).cloned()),
            Some(before)
        );
        engine
            .commit(move |state| commands::delete(state, &new))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn rerun_whole_failed_or_one_job() {
    let engine = seeded();
    let rerun = async |run: &str, part: Part| {
        let run = id(run);
        engine
            .commit(move |state| commands::rerun(state, &run, &part))
            .await
    };
    assert_eq!(rerun(seed::ACTIONS_FAILED, Part::Failed).await.unwrap(), 2);
    let done = rest(&engine, &id(seed::ACTIONS_FAILED)).await;
    // The build job is memoized; the failed job ran whole.
    assert_eq!(executions(&done), [1, 1, 2, 1]);
    let part = Part::Job("test".into());
    assert_eq!(rerun(seed::ACTIONS_FAILED, part).await.unwrap(), 3);
    let done = rest(&engine, &id(seed::ACTIONS_FAILED)).await;
    assert_eq!(executions(&done), [1, 1, 3, 2]);
    let part = Part::Job("2001".into());
    assert_eq!(rerun(seed::ACTIONS_FAILED, part).await.unwrap(), 4);
    let done = rest(&engine, &id(seed::ACTIONS_FAILED)).await;
    assert_eq!(executions(&done), [2, 2, 4, 3]);

    let refused = rerun(seed::ACTIONS_FAILED, Part::Failed).await;
    assert!(matches!(refused, Err(Refusal::NothingFailed { .. })));
    let refused = rerun(seed::ACTIONS_RUNNING, Part::Whole).await;
    assert!(matches!(refused, Err(Refusal::NotNow { .. })));
    let refused = rerun(seed::ACTIONS_FAILED, Part::Job("3001".into())).await;
    assert!(matches!(refused, Err(Refusal::NoSuchJob { .. })));
}

#[tokio::test]
async fn run_1_can_be_rerun_ten_times_at_once_and_every_attempt_is_executed() {
    let engine = seeded();
    for attempt in 2..=11 {
        let run = id(seed::ACTIONS_COMPLETED);
        let given = engine
            .commit(move |state| commands::rerun(state, &run, &Part::Whole))
            .await;
        assert_eq!(given.unwrap(), attempt);
    }
    let done = rest(&engine, &id(seed::ACTIONS_COMPLETED)).await;
    assert_eq!((done.attempt, done.status), (11, Status::Completed));
    assert_eq!(executions(&done), [11, 11, 11, 11]);
}

#[tokio::test]
async fn an_agent_run_is_enqueued_again_unless_it_completed() {
    let engine = seeded();
    let rerun = async |run: &str| {
        let run = id(run);
        engine
            .commit(move |state| commands::rerun_agent(state, &run))
            .await
    };
    for run in [seed::AGENT_FAILED, seed::AGENT_WAITING, seed::AGENT_STUCK] {
        rerun(run).await.unwrap();
        assert_eq!(rest(&engine, &id(run)).await.status, Status::Completed);
    }
    assert_eq!(rerun(seed::AGENT_RUNNING).await.unwrap(), Status::Running);
    let again = engine.read(|state| state.run(&id(seed::AGENT_RUNNING)).cloned());
    assert_eq!(again.unwrap().attempt, 2);
    for run in [seed::AGENT_COMPLETED, seed::FLOW_FAILED, "nobody"] {
        assert!(rerun(run).await.is_err(), "{run}");
    }
}

#[tokio::test]
async fn a_workflow_is_rerun_under_a_new_id_from_the_start_or_from_failed() {
    let engine = seeded();
    let rerun = async |run: &str, from_failed: Option<bool>| {
        let run = id(run);
        engine
            .commit(move |state| commands::rerun_workflow(state, &run, from_failed, fresh()))
            .await
    };
    let new = rerun(seed::WORKFLOW_FAILED, Some(true)).await.unwrap();
    let done = rest(&engine, &new).await;
    assert_eq!(executions(&done), [0, 0, 1, 1], "the build is taken over");
    assert_eq!(done.status, Status::Completed);
    let new = rerun(seed::WORKFLOW_FAILED, Some(false)).await.unwrap();
    assert_eq!(executions(&rest(&engine, &new).await), [1, 1, 1, 1]);
    let refused = rerun(seed::WORKFLOW_COMPLETED, Some(true)).await;
    assert!(matches!(refused, Err(Refusal::NotNow { .. })));
    assert_eq!(status(&engine, seed::WORKFLOW_FAILED), Status::Failed);
}

#[tokio::test]
async fn a_cancelled_run_stops_and_stays_stopped() {
    let engine = seeded();
    let cancel = async |run: &str| {
        let run = id(run);
        engine
            .commit(move |state| commands::cancel(state, &run))
            .await
    };
    cancel(seed::ACTIONS_RUNNING).await.unwrap();
    assert_eq!(status(&engine, seed::ACTIONS_RUNNING), Status::Cancelled);
    assert!(cancel(seed::ACTIONS_RUNNING).await.is_err());
    assert!(cancel(seed::ACTIONS_COMPLETED).await.is_err());
}

#[tokio::test]
async fn a_reopened_journal_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs");
    let engine = on(&path);
    let run = start(&engine, plan(3, Some(2), 1)).await;
    let failed = rest(&engine, &run).await;
    engine.stop();
    let engine = on(&path);
    assert_eq!(rest(&engine, &run).await, failed);
    retry(&engine, &run).await.unwrap();
    assert_eq!(executions(&rest(&engine, &run).await), [1, 2, 1]);
}

/// The journal of a whole run, cut after every byte: whatever a crash leaves, the run is finished
/// and no step that reads as completed is executed again.
#[tokio::test]
async fn a_crash_at_any_byte_executes_no_memoized_step_again() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let engine = on(&whole);
    let run = start(&engine, plan(2, None, 0)).await;
    rest(&engine, &run).await;
    engine.stop();
    let bytes = std::fs::read(&whole).unwrap();
    for cut in 0..=bytes.len() {
        let path = folder.path().join("cut");
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let engine = on(&path);
        if engine.read(|state| state.run(&run).is_some()) {
            let done = rest(&engine, &run).await;
            assert_eq!(done.status, Status::Completed, "cut at {cut}");
            assert_eq!(executions(&done), [1, 1], "cut at {cut}");
        }
        engine.stop();
    }
}

#[test]
fn a_job_stands_where_its_steps_stand() {
    let mut job = Job {
        name: "j".into(),
        steps: vec![Step::new("a", 0), Step::new("b", 0)],
    };
    assert_eq!(job.status(Status::Queued), Status::Queued);
    job.steps[0].status = Status::Completed;
    job.steps[0].executions = 1;
    assert_eq!(job.status(Status::Running), Status::Running);
    job.steps[1].status = Status::Failed;
    assert_eq!(job.status(Status::Failed), Status::Failed);
    job.steps[1].status = Status::Completed;
    assert_eq!(job.status(Status::Completed), Status::Completed);
}

#[tokio::test]
async fn old_finished_runs_make_room() {
    let engine = Engine::open(None, Clock::system(), |_| Vec::new()).unwrap();
    let filled = engine.commit_now(|_| {
        let run = |number| Run {
            id: RunId::number(number),
            service: Service::Actions,
            workflow: "w".into(),
            repo: None,
            status: Status::Completed,
            attempt: 1,
            overlaps: false,
            backlog: 0,
            origin: None,
            seeded: number == 1,
            created_at: 0,
            updated_at: 0,
            jobs: Vec::new(),
        };
        let full = u64::try_from(commands::MAX_RUNS).unwrap();
        let created = |number| Change::Created {
            run: Box::new(run(number)),
        };
        Ok(((1..=full).map(created).collect(), ()))
    });
    filled.unwrap();
    start(&engine, plan(1, None, 0)).await;
    engine.read(|state| {
        assert_eq!(state.count(), commands::MAX_RUNS);
        assert!(state.run(&RunId::number(1)).is_some(), "seeds are kept");
        assert!(state.run(&RunId::number(2)).is_none(), "the oldest goes");
    });
}

#[tokio::test]
async fn runs_beyond_the_workers_are_queued_until_one_is_free() {
    let engine = Engine::open(None, Clock::system(), |_| Vec::new()).unwrap();
    let all = WORKERS + 1;
    for number in 0..all {
        let plan = Plan {
            step_ms: 60_000,
            ..plan(1, None, 0)
        };
        let id = id(&format!("run-{number}"));
        let decide = move |state: &State| commands::start(state, &plan, id);
        engine.commit(decide).await.unwrap();
    }
    let standing = |wanted: Status| {
        let stands = |run: &&Run| run.status == wanted;
        engine.read(|state| state.runs().filter(stands).count())
    };
    let mut commits = engine.0.commits.subscribe();
    while standing(Status::Running) < WORKERS {
        commits.changed().await.unwrap();
    }
    assert_eq!(standing(Status::Queued), 1);
    let first = id("run-0");
    let cancelled = engine.commit(move |state| commands::cancel(state, &first));
    cancelled.await.unwrap();
    while standing(Status::Queued) > 0 {
        commits.changed().await.unwrap();
    }
    assert_eq!(standing(Status::Running), WORKERS);
}

#[tokio::test]
async fn a_stopped_engine_changes_nothing_more() {
    let engine = seeded();
    engine.stop();
    let refusal = retry(&engine, &id(seed::FLOW_FAILED)).await.unwrap_err();
    assert!(matches!(refusal, Refusal::Stopping), "{refusal}");
    assert_eq!(status(&engine, seed::FLOW_FAILED), Status::Failed);
}
