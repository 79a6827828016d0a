//! Fills a data directory's ledger with calls, to see how a large book behaves.
//!
//! usage: `fill_ledger DATA_DIR RECORDS`; no gate may run over the directory.

use std::path::PathBuf;

use portreeve::clock::Clock;
use portreeve::ledger::{
    Answer, Arguments, Begin, Call, Charge, Ended, Finish, Ledger as _, PolicyRef,
};
use portreeve::node::{House, HouseOptions};
use portreeve_policy::time::Timestamp;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(dir), Some(records)) = (arguments.next(), arguments.next()) else {
        anyhow::bail!("usage: fill_ledger DATA_DIR RECORDS");
    };
    let clock = Clock::system();
    let house = House::open(HouseOptions::new(PathBuf::from(dir), clock.clone())).await?;
    let calls = records.parse::<u64>()? / 2;
    for number in 0..calls {
        book(&house, number, clock.now()).await?;
    }
    house.ledger.close().await?;
    for place in &house.anchors {
        house.ledger.anchor(place.as_ref()).await?;
    }
    println!("{calls} calls booked");
    Ok(())
}

/// One call like those of the first minute, counted by a limit of an hour.
async fn book(house: &House, number: u64, at: Timestamp) -> anyhow::Result<()> {
    let call_id = format!("fill{number:010}");
    let key = format!("grant/filler/s/c/s:{}", number % 1_000);
    let call = Call {
        at,
        call_id: &call_id,
        grant: "filler",
        identity: "filler",
        server: Some("s"),
        method: "tools/call",
        tool: Some("t"),
        policy: Some(PolicyRef {
            name: "p",
            version: 1,
        }),
        rule: "/tools/t",
        arguments: Arguments {
            keys: &["n"],
            values: None,
            mac: Some([7; 16]),
        },
        approval_id: None,
        shadow: None,
    };
    let charges = [Charge {
        key: &key,
        amount: "1",
        window_ms: 3_600_000,
    }];
    house
        .ledger
        .begin(Begin {
            call,
            charges: &charges,
        })
        .await?;
    let finish = Finish {
        at,
        call_id: &call_id,
        outcome: Ended::Allow,
        result: Some(Answer::Ok),
        reason: None,
        upstream_status: Some(200),
        latency_us: 1_000,
    };
    house.ledger.finish(finish).await?;
    Ok(())
}
