//! Calls one tool over kept connections, or over the standard streams of a process, and says how long
//! it took.
//!
//! Without `--rate` each connection calls again as soon as it is answered (closed loop). With it,
//! calls are due at fixed times, whoever is late, and durations count from when a call was due: a
//! server that stalls is charged for all the calls that it kept waiting.

#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark is about the time that really passes"
)]

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use portreeve_bench::histogram::Histogram;
use portreeve_bench::lines::Lines;
use portreeve_bench::wire::Messages;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinSet;

#[derive(Clone, Parser)]
struct Options {
    /// Where to connect
    #[arg(required_unless_present = "command")]
    address: Option<SocketAddr>,
    /// What to start, and to speak to in lines
    #[arg(last = true, conflicts_with_all = ["address", "connections"])]
    command: Vec<String>,
    /// Begin with a handshake, and stay in the session that it opens
    #[arg(long)]
    session: bool,
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
    let count = if options.command.is_empty() {
        options.connections
    } else {
        1
    };
    let mut peers = Vec::new();
    for _ in 0..count {
        peers.push(Peer::open(&options).await?);
    }
    // What takes long to start is not measured by that.
    let plan = Arc::new(Plan::from_now(&options));
    let mut connections = JoinSet::new();
    for peer in peers {
        connections.spawn(calls(peer, Arc::clone(&options), Arc::clone(&plan)));
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
    fn from_now(options: &Options) -> Self {
        let begun = Instant::now();
        let counts_from = begun + Duration::from_secs_f64(options.warm_up);
        Self {
            begun,
            counts_from,
            until: counts_from + Duration::from_secs_f64(options.seconds),
            issued: AtomicU64::new(0),
            gap: options.rate.map(|rate| Duration::from_secs_f64(1.0 / rate)),
        }
    }

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

async fn calls(mut peer: Peer, options: Arc<Options>, plan: Arc<Plan>) -> Result<Histogram> {
    let mut histogram = Histogram::default();
    while let Some((number, due)) = plan.next() {
        if plan.gap.is_some() {
            tokio::time::sleep_until(due.into()).await;
        }
        let call = call(&options, number);
        let ended = peer.ask(&call).await?;
        if due >= plan.counts_from && ended < plan.until {
            let nanos = ended.saturating_duration_since(due).as_nanos();
            histogram.record(u64::try_from(nanos).unwrap_or(u64::MAX));
        }
    }
    Ok(histogram)
}

/// Who is asked.
enum Peer {
    Http {
        stream: TcpStream,
        messages: Messages,
        /// The head of a request up to the length.
        head: String,
    },
    Process {
        /// Ended when dropped.
        _process: Box<Child>,
        to: ChildStdin,
        from: ChildStdout,
        lines: Lines,
    },
}

const HELLO: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"load","version":"1"}}}"#;
const READY: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

impl Peer {
    async fn open(options: &Options) -> Result<Self> {
        match options.address {
            Some(address) => Self::connect(address, options).await,
            None => Self::start(&options.command).await,
        }
    }

    async fn connect(address: SocketAddr, options: &Options) -> Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let Options { path, token, .. } = options;
        let mut head = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\n"
        );
        let mut messages = Messages::default();
        if options.session {
            stream.write_all(&posted(&head, HELLO)).await?;
            let answer = messages.next(&mut stream).await?;
            let answer = answer.context("the connection was closed")?;
            let session = header(answer.head, "mcp-session-id").context("no session was opened")?;
            head = format!("{head}mcp-session-id: {session}\r\n");
            stream.write_all(&posted(&head, READY)).await?;
            messages.next(&mut stream).await?;
        }
        Ok(Self::Http {
            stream,
            messages,
            head,
        })
    }

    async fn start(command: &[String]) -> Result<Self> {
        let (program, arguments) = command.split_first().context("no command")?;
        let mut process = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let mut to = process.stdin.take().context("no stdin")?;
        let mut from = process.stdout.take().context("no stdout")?;
        let mut lines = Lines::default();
        to.write_all(format!("{HELLO}\n").as_bytes()).await?;
        lines.next(&mut from).await?.context("no answer")?;
        to.write_all(format!("{READY}\n").as_bytes()).await?;
        Ok(Self::Process {
            _process: Box::new(process),
            to,
            from,
            lines,
        })
    }

    /// When the answer was there.
    async fn ask(&mut self, call: &str) -> Result<Instant> {
        match self {
            Self::Http {
                stream,
                messages,
                head,
            } => {
                stream.write_all(&posted(head, call)).await?;
                let answer = messages.next(stream).await?;
                let answer = answer.context("the connection was closed")?;
                let ended = Instant::now();
                check(answer.head.starts_with(b"HTTP/1.1 200"), answer.body)?;
                Ok(ended)
            }
            Self::Process {
                to, from, lines, ..
            } => {
                to.write_all(format!("{call}\n").as_bytes()).await?;
                let answer = lines.next(from).await?.context("the process has ended")?;
                let ended = Instant::now();
                check(true, answer)?;
                Ok(ended)
            }
        }
    }
}

fn call(options: &Options, number: u64) -> String {
    let customer = number % options.customers.max(1);
    let tool = &options.tool;
    format!(
        r#"{{"jsonrpc":"2.0","id":{number},"method":"tools/call","params":{{"name":"{tool}","arguments":{{"amount":12.50,"customer":"customer-{customer}","note":"as agreed by telephone"}}}}}}"#
    )
}

fn posted(head: &str, body: &str) -> Vec<u8> {
    format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn header(head: &[u8], name: &str) -> Option<String> {
    let head = String::from_utf8_lossy(head);
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let mut found = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value.trim().to_owned())
}

/// A refused call is no measurement.
fn check(fine: bool, message: &[u8]) -> Result<()> {
    let beginning = message.get(..256.min(message.len())).unwrap_or_default();
    let says = |what: &[u8]| memchr::memmem::find(beginning, what).is_some();
    let fine = fine && says(b"\"content\"") && !says(b"POLICY");
    let words = || String::from_utf8_lossy(beginning).into_owned();
    ensure!(fine, "an answer that is none: {}", words());
    Ok(())
}
