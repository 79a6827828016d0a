//! Anchors: where they are kept, and that they are kept.

use std::fs;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use super::room::*;
use crate::ledger::*;

#[tokio::test]
async fn a_file_keeps_every_anchor_and_gives_the_last() {
    let room = Room::new();
    let path = room.data.path().join("anchors");
    let place = SecondPlace::File(path.clone()).open();
    assert_eq!(place.latest().await.unwrap(), None);
    assert!(place.history().await.unwrap().is_empty());
    let ledger = room.open();
    let mut put = Vec::new();
    for _ in 0..3 {
        book_calls(&ledger, 1).await;
        put.push(ledger.anchor(place.as_ref()).await.unwrap());
        // A crash in the middle of a line.
        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"seq\":99,\"ha").unwrap();
    }
    assert_eq!(place.latest().await.unwrap(), put.last().copied());
    assert_eq!(place.history().await.unwrap(), put);
    let known = KnownAnchor::all(&[place]).await.unwrap();
    let report = room.verify(&known);
    assert!(report.holds(), "{report}");
    assert!(
        report.to_string().contains("up to record 6 (the file /"),
        "{report}"
    );
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_named() {
    let room = Room::new();
    let ledger = room.open();
    book_calls(&ledger, 1).await;
    let place = FileAnchor::new(&room.data.path().join("no/such/directory"));
    let error = ledger.anchor(&place).await.unwrap_err();
    assert!(error.to_string().contains("no/such/directory"), "{error}");
}

/// A cadence whose time never comes: only checkpoints and the close can anchor.
const NEVER: Cadence = Cadence {
    every: Duration::from_hours(1_000),
    at_checkpoints: true,
};

#[tokio::test]
async fn the_keeper_anchors_after_a_thousand_records_and_at_the_close() {
    let room = Room::new();
    let ledger = Arc::new(room.open());
    let anchors = Arc::new(MemoryAnchors::default());
    let keeper = {
        let (ledger, anchors) = (Arc::clone(&ledger), Arc::clone(&anchors));
        tokio::spawn(async move { keep_anchored(&ledger, anchors.as_ref(), NEVER).await })
    };
    tokio::task::yield_now().await;
    book_calls(&ledger, 600).await;
    while anchors.latest().await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    let early = anchors.latest().await.unwrap().unwrap();
    assert!(early.head.seq >= 1_000);
    book_calls(&ledger, 5).await;
    ledger.close().await.unwrap();
    keeper.await.unwrap();
    let last = anchors.latest().await.unwrap().unwrap();
    assert_eq!(last.head, ledger.head());
    assert!(room.open_knowing(&[room.anchor(last.head)]).is_ok());
}

#[tokio::test]
async fn the_keeper_anchors_when_its_time_comes() {
    let room = Room::new();
    let ledger = Arc::new(room.open());
    book_calls(&ledger, 1).await;
    let anchors = Arc::new(MemoryAnchors::default());
    let cadence = Cadence {
        every: Duration::from_millis(1),
        at_checkpoints: false,
    };
    let keeper = {
        let (ledger, anchors) = (Arc::clone(&ledger), Arc::clone(&anchors));
        tokio::spawn(async move { keep_anchored(&ledger, anchors.as_ref(), cadence).await })
    };
    while anchors.latest().await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(anchors.latest().await.unwrap().unwrap().head, ledger.head());
    ledger.close().await.unwrap();
    keeper.await.unwrap();
}

#[tokio::test]
async fn an_anchor_never_knows_more_than_the_disk() {
    let room = Room::new();
    let faulty = super::faulty::Faulty::new();
    let medium = faulty.clone();
    let (ledger, _) = room.open_on(medium, &Opening::default()).unwrap();
    book_calls(&ledger, 3).await;
    let anchors = MemoryAnchors::default();
    faulty.plan(super::faulty::Plan {
        syncs_fail: true,
        ..Default::default()
    });
    assert!(ledger.anchor(&anchors).await.is_err());
    assert_eq!(anchors.latest().await.unwrap(), None);
}
