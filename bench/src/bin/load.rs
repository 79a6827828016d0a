//! Calls one tool over kept connections and says how long it took.
//!
//! Without `--rate` each connection calls again as soon as it is answered (closed loop). With it,
//! calls are due at fixed times, whoever is late, and durations count from when a call was due: a
//! server that stalls is charged for all the calls that it kept waiting.

#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark is about the time that really passes"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use clap::Parser;
use portreeve_bench::histogram::Histogram;
use portreeve_bench::wire::Messages;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

#[derive(Clone, Parser)]
struct Options {
    /// Where to connect
    address: SocketAddr,
    #[arg(long, default_value = "/mcp")]
    path: String,
    #[arg(long, default_value = "small")]
    tool: String,
    #[arg(long, default_value = "")]
    token: String,
    #[arg(long, default_value_t = 32)]
    connections: u64,
    /// Seconds that count
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Seconds before, that do not count
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// Calls a second in all; as many as possible if none
    #[arg(long)]
    rate: Option<f64>,
    /// How many different values the argument `customer` takes
    #[arg(long, default_value_t = 100)]
    customers: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Arc::new(Options::parse());
    let begun = Instant::now();
    let counts_from = begun + Duration::from_secs_f64(options.warm_up);
    let until = counts_from + Duration::from_secs_f64(options.seconds);
    let plan = Arc::new(Plan {
        begun,
        counts_from,
        until,
        issued: AtomicU64::new(0),
        gap: options.rate.map(|rate| Duration::from_secs_f64(1.0 / rate)),
    });
    let mut connections = JoinSet::new();
    for _ in 0..options.connections {
        connections.spawn(connection(Arc::clone(&options), Arc::clone(&plan)));
    }
    let mut all = Histogram::default();
    while let Some(one) = connections.join_next().await {
        all.add(&one??);
    }
    ensure!(all.total() > 0, "no call was answered in time");
    let micros = |part: f64| all.quantile(part) / 100;
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let told = json!({
        "requests": all.total(),
        "seconds": options.seconds,
        "per_second": (all.total() as f64 / options.seconds).round(),
        "p50_us": micros(0.5) as f64 / 10.0,
        "p99_us": micros(0.99) as f64 / 10.0,
        "p999_us": micros(0.999) as f64 / 10.0,
    });
    println!("{told}");
    Ok(())
}

/// When calls are due.
struct Plan {
    begun: Instant,
    counts_from: Instant,
    until: Instant,
    issued: AtomicU64,
    gap: Option<Duration>,
}

impl Plan {
    /// The number of the next call and when it is due; `None` when the time is over.
    fn next(&self) -> Option<(u64, Instant)> {
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let due = match self.gap {
            Some(gap) => self.begun + gap.mul_f64(as_float(number)),
            None => Instant::now(),
        };
        (due < self.until).then_some((number, due))
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
const fn as_float(count: u64) -> f64 {
    count as f64
}

async fn connection(options: Arc<Options>, plan: Arc<Plan>) -> Result<Histogram> {
    let mut stream = TcpStream::connect(options.address).await?;
    stream.set_nodelay(true)?;
    let mut messages = Messages::default();
    let mut histogram = Histogram::default();
    while let Some((number, due)) = plan.next() {
        if plan.gap.is_some() {
            tokio::time::sleep_until(due.into()).await;
        }
        stream.write_all(&request(&options, number)).await?;
        let Some(answer) = messages.next(&mut stream).await? else {
            bail!("the connection was closed");
        };
        let ended = Instant::now();
        check(answer.head, answer.body)?;
        if due >= plan.counts_from && ended < plan.until {
            let nanos = ended.saturating_duration_since(due).as_nanos();
            histogram.record(u64::try_from(nanos).unwrap_or(u64::MAX));
        }
    }
    Ok(histogram)
}

fn request(options: &Options, number: u64) -> Vec<u8> {
    let customer = number % options.customers.max(1);
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":{number},"method":"tools/call","params":{{"name":"{}","arguments":{{"amount":12.50,"customer":"customer-{customer}","note":"as agreed by telephone"}}}}}}"#,
        options.tool
    );
    let Options {
        address,
        path,
        token,
        ..
    } = options;
    format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A refused call is no measurement.
fn check(head: &[u8], body: &[u8]) -> Result<()> {
    let beginning = body.get(..256.min(body.len())).unwrap_or_default();
    let says = |what: &[u8]| memchr::memmem::find(beginning, what).is_some();
    let fine = head.starts_with(b"HTTP/1.1 200") && says(b"\"content\"") && !says(b"POLICY");
    if !fine {
        bail!(
            "an answer that is none: {} {}",
            String::from_utf8_lossy(head),
            String::from_utf8_lossy(beginning)
        );
    }
    Ok(())
}
