//! What runs in the background while a gate is open. Every task ends when it is told to stop, or
//! when the ledger is closed; one that panics is started again.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::supervise::{Pauses, supervise};
use super::{House, Node};
use crate::counters::MemoryCounters;
use crate::front::Front;
use crate::gate::Gate;
use crate::ledger::{Cadence, Ledger as _, Retention, keep_anchored, keep_probing, retire};

/// How often the counters are written down, if anything happened. A restart replays what came
/// after: at 20,000 records a second this bounds it to some 200,000 records.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(10);
const PROBE_PAUSE: Duration = Duration::from_millis(500);
const MINUTE: Duration = Duration::from_mins(1);
const RECHECK_EVERY: Duration = Duration::from_mins(5);

pub(super) fn spawn(
    node: &mut Node,
    front: &Arc<Front>,
    retention: Retention,
    stop: &watch::Receiver<bool>,
) {
    keep_book(node, stop);
    let (gate, counters) = (Arc::clone(&node.gate), Arc::clone(&node.counters));
    let (house, stopping) = (Arc::clone(&node.house), stop.clone());
    let snapshots = move || {
        let (gate, counters) = (Arc::clone(&gate), Arc::clone(&counters));
        keep_snapshots(gate, counters, Arc::clone(&house), stopping.clone())
    };
    node.serving
        .spawn(kept("snapshots", stop.clone(), snapshots));
    let (gate, front, stopping) = (Arc::clone(&node.gate), Arc::clone(front), stop.clone());
    let minutes = move || each_minute(Arc::clone(&gate), Arc::clone(&front), stopping.clone());
    node.serving
        .spawn(kept("each minute's work", stop.clone(), minutes));
    let (house, counters) = (Arc::clone(&node.house), Arc::clone(&node.counters));
    let stopping = stop.clone();
    let retaining = move || {
        let (house, counters) = (Arc::clone(&house), Arc::clone(&counters));
        keep_retention(house, counters, retention.clone(), stopping.clone())
    };
    node.serving
        .spawn(kept("retention", stop.clone(), retaining));
    let (gate, stopping) = (Arc::clone(&node.gate), stop.clone());
    let pins = move || keep_pins(Arc::clone(&gate), stopping.clone());
    node.serving.spawn(kept("tool lists", stop.clone(), pins));
}

/// What goes on until the ledger is closed, which comes after the stop.
fn keep_book(node: &mut Node, stop: &watch::Receiver<bool>) {
    let places = node.house.anchors.iter();
    for (place, cadence) in places.zip([Cadence::STORE, Cadence::SECOND_PLACE]) {
        let (ledger, place) = (Arc::clone(&node.house.ledger), Arc::clone(place));
        let anchoring = move || {
            let (ledger, place) = (Arc::clone(&ledger), Arc::clone(&place));
            async move { keep_anchored(&ledger, place.as_ref(), cadence).await }
        };
        node.keeping
            .spawn(kept("anchoring", stop.clone(), anchoring));
    }
    let ledger = Arc::clone(&node.house.ledger);
    let probing = move || {
        let ledger = Arc::clone(&ledger);
        async move { keep_probing(&ledger, PROBE_PAUSE).await }
    };
    node.keeping
        .spawn(kept("probing the ledger", stop.clone(), probing));
}

/// A task that is started again should it panic.
fn kept<Work: Future<Output = ()>>(
    name: &'static str,
    stop: watch::Receiver<bool>,
    start: impl FnMut() -> Work,
) -> impl Future<Output = ()> {
    supervise(name, stop, Pauses::USUAL, start)
}

/// Asks for first lists at once, and looks at all lists again every few minutes.
async fn keep_pins(gate: Arc<Gate>, mut stop: watch::Receiver<bool>) {
    until(stop.clone(), gate.take_first_lists()).await;
    let mut ticks = every(RECHECK_EVERY);
    while next_tick(&mut ticks, &mut stop).await {
        until(stop.clone(), gate.recheck_all()).await;
    }
}

/// Runs `work` until it is done or the gate stops.
async fn until(mut stop: watch::Receiver<bool>, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

/// Ticks until the gate stops.
async fn next_tick(ticks: &mut tokio::time::Interval, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        _ = ticks.tick() => true,
        _ = stop.wait_for(|stop| *stop) => false,
    }
}

fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick comes at once, and at once there is nothing to do.
    ticks.reset();
    ticks
}

async fn keep_snapshots(
    gate: Arc<Gate>,
    counters: Arc<MemoryCounters>,
    house: Arc<House>,
    mut stop: watch::Receiver<bool>,
) {
    let mut ticks = every(SNAPSHOT_EVERY);
    let mut written = house.ledger.head().seq;
    while next_tick(&mut ticks, &mut stop).await {
        let head = house.ledger.head().seq;
        if head != written {
            snapshot(&gate, &counters, &house).await;
            written = head;
        }
    }
}

/// Writes the counters down. Should that fail, the ledger still has every charge.
pub(super) async fn snapshot(gate: &Gate, counters: &MemoryCounters, house: &House) {
    let snapshot = gate
        .at_rest(|| counters.export(house.ledger.head(), house.clock.now()))
        .await;
    let seq = snapshot.seq();
    match tokio::task::spawn_blocking(move || snapshot.write()).await {
        Ok(Ok(())) => counters.note_written(seq),
        Ok(Err(error)) => tracing::warn!(%error, "the counters' snapshot was not written"),
        Err(error) => tracing::warn!(%error, "writing the counters' snapshot broke off"),
    }
}

async fn each_minute(gate: Arc<Gate>, front: Arc<Front>, mut stop: watch::Receiver<bool>) {
    let mut ticks = every(MINUTE);
    while next_tick(&mut ticks, &mut stop).await {
        gate.sweep_sessions();
        front.sweep();
        gate.end_late_approvals().await;
        gate.forget_seen().await;
        book_strangers(&gate, &front).await;
    }
    book_strangers(&gate, &front).await;
}

/// One record a minute, whatever the number of strangers.
async fn book_strangers(gate: &Gate, front: &Front) {
    let counted = front.take_strangers();
    if counted.sources.is_empty() {
        return;
    }
    let sources: serde_json::Map<String, serde_json::Value> = counted
        .sources
        .iter()
        .map(|(ip, count)| (ip.to_string(), json!(count)))
        .collect();
    let detail = json!({ "sources": sources, "others": counted.others }).to_string();
    if let Err(error) = gate
        .book("caller.unauthenticated", "listener", Some(detail))
        .await
    {
        tracing::warn!(%error, "requests without a grant were not booked");
    }
}

async fn keep_retention(
    house: Arc<House>,
    counters: Arc<MemoryCounters>,
    retention: Retention,
    mut stop: watch::Receiver<bool>,
) {
    let mut ticks = every(MINUTE);
    while next_tick(&mut ticks, &mut stop).await {
        let (house, retention) = (Arc::clone(&house), retention.clone());
        let needed_from = counters.written_at();
        let work = move || retire(&house.ledger, &house.keys, &retention, needed_from);
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(0)) => {}
            Ok(Ok(segments)) => tracing::info!(segments, "old ledger segments were retired"),
            Ok(Err(error)) => tracing::error!(%error, "old ledger segments were not retired"),
            Err(error) => tracing::error!(%error, "retiring ledger segments broke off"),
        }
    }
}
