//! An MCP server that answers at once: `tools/call` with a small or a large result, `tools/list`,
//! `initialize`; over HTTP, or over lines. It reads no more of a request than its id, its method and the tool's name.

use std::io::{BufRead, Write};
use std::net::SocketAddr;

use anyhow::Result;
use clap::Parser;
use portreeve_bench::wire::Messages;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

#[derive(Parser)]
struct Options {
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Serve one client over lines on the standard streams instead
    #[arg(long)]
    stdio: bool,
}

/// The bytes of a large result's text.
const LARGE: usize = 64 * 1024;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Options::parse();
    if options.stdio {
        return serve_lines(&Answers::new());
    }
    let listener = TcpListener::bind(options.listen).await?;
    println!("{}", listener.local_addr()?);
    let answers: &'static Answers = Box::leak(Box::new(Answers::new()));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // A client that goes away is no failure.
        tokio::spawn(async move { serve(stream, answers).await.ok() });
    }
}

/// Without a runtime: there is one client, and nothing else to do.
fn serve_lines(answers: &Answers) -> Result<()> {
    let mut out = Vec::with_capacity(LARGE + 1024);
    let (mut from, mut to) = (std::io::stdin().lock(), std::io::stdout());
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        if let Some(id) = id(&line) {
            out.clear();
            write_message(&mut out, id, answers.to(&line));
            out.push(b'\n');
            to.write_all(&out)?;
            to.flush()?;
        }
        line.clear();
    }
    Ok(())
}

struct Answers {
    small: String,
    large: String,
}

impl Answers {
    fn new() -> Self {
        let result = |text: &str| format!(r#"{{"content":[{{"type":"text","text":"{text}"}}]}}"#);
        Self {
            small: result("ok"),
            large: result(&"x".repeat(LARGE)),
        }
    }

    fn to(&self, body: &[u8]) -> &str {
        let says = |what: &str| memchr::memmem::find(body, what.as_bytes()).is_some();
        if says(r#""method":"tools/call""#) {
            return if says(r#""name":"large""#) {
                &self.large
            } else {
                &self.small
            };
        }
        if says(r#""method":"tools/list""#) {
            return r#"{"tools":[{"name":"small","inputSchema":{"type":"object"}},{"name":"large","inputSchema":{"type":"object"}}]}"#;
        }
        r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"stub","version":"1"}}"#
    }
}

async fn serve(mut stream: TcpStream, answers: &Answers) -> Result<()> {
    let mut messages = Messages::default();
    let mut out = Vec::with_capacity(LARGE + 1024);
    while let Some(message) = messages.next(&mut stream).await? {
        out.clear();
        match id(message.body) {
            Some(id) => write(&mut out, id, answers.to(message.body)),
            None => out.extend_from_slice(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"),
        }
        stream.write_all(&out).await?;
    }
    Ok(())
}

const BEGIN: &str = r#"{"jsonrpc":"2.0","id":"#;
const MIDDLE: &str = r#","result":"#;

fn write(out: &mut Vec<u8>, id: &[u8], result: &str) {
    let length = BEGIN.len() + id.len() + MIDDLE.len() + result.len() + 1;
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    out.extend_from_slice(head.as_bytes());
    write_message(out, id, result);
}

fn write_message(out: &mut Vec<u8>, id: &[u8], result: &str) {
    for part in [
        BEGIN.as_bytes(),
        id,
        MIDDLE.as_bytes(),
        result.as_bytes(),
        b"}",
    ] {
        out.extend_from_slice(part);
    }
}

/// The id's text, as far as the generators of such benchmarks write one.
fn id(body: &[u8]) -> Option<&[u8]> {
    const MEMBER: &[u8] = b"\"id\":";
    let start = memchr::memmem::find(body, MEMBER)? + MEMBER.len();
    let rest = body.get(start..)?;
    let end = rest.iter().position(|byte| matches!(byte, b',' | b'}'))?;
    rest.get(..end)
}
