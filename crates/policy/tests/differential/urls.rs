//! URLs against Node's `URL` and Python's `urllib.parse` and `http.client`.

use std::net::IpAddr;

use portreeve_policy::operators::host::{self, Host, Target};
use serde_json::Value;

use super::mutate::{corpus, grow};
use super::programs::{ask, report, script};

const PIECES: [&str; 64] = [
    "/",
    "//",
    "\\",
    "@",
    ":",
    "?",
    "#",
    "%",
    ".",
    "..",
    "[",
    "]",
    "::",
    "0x",
    "0",
    "07",
    "1",
    "255",
    "256",
    "127.0.0.1",
    "127.1",
    "%2e",
    "%40",
    "%00",
    "%2f",
    "%5b",
    " ",
    "\t",
    "\n",
    "\r",
    "\u{0}",
    "\u{a0}",
    "\u{3002}",
    "\u{ff0e}",
    "\u{ff0f}",
    "\u{ad}",
    "\u{200b}",
    "\u{e9}",
    "\u{df}",
    "xn--",
    "xn--a",
    "-",
    "_",
    "~",
    "!",
    "$",
    "&",
    "'",
    "(",
    "*",
    "+",
    ",",
    ";",
    "=",
    "{",
    "|",
    "^",
    "`",
    "\"",
    "<",
    "http://",
    "https:",
    "example.com",
    ":65536",
];

#[test]
fn others_see_the_host_that_was_judged() {
    let seeds = corpus(include_str!("../../../../cases/host_in.yaml"));
    let texts = grow(&seeds, &PIECES);
    let total = texts.len();
    let judged: Vec<String> = texts
        .into_iter()
        .filter(|t| host::read(t).is_ok_and(|target| is_plain(&target)))
        .collect();
    report(&format!("urls: {total} texts, {} judged", judged.len()));
    assert!(judged.len() > 1_000, "the mutator makes too few URLs");
    for (program, file) in [("node", "urls.mjs"), ("python3", "urls.py")] {
        let Some(answers) = ask(program, &[&script(file)], &judged) else {
            continue;
        };
        let mut wrong = Vec::new();
        for (text, answer) in judged.iter().zip(&answers) {
            let target = host::read(text).expect("it was judged");
            if let Err(why) = agrees(&target, text, answer) {
                wrong.push(format!("{text:?}: {why}: {target:?} but {answer}"));
            }
        }
        let shown = wrong
            .iter()
            .take(40)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n");
        assert!(
            wrong.is_empty(),
            "{program}: {} of {}\n{shown}",
            wrong.len(),
            judged.len()
        );
    }
}

fn is_plain(target: &Target<'_>) -> bool {
    match target.host {
        Host::Address(_) => true,
        Host::Name(name) => !host::is_international(name),
    }
}

fn agrees(target: &Target<'_>, text: &str, answer: &Value) -> Result<(), &'static str> {
    if answer.is_null() {
        return Err("it reads no URL");
    }
    let of = |key: &str| answer[key].as_str().unwrap_or_default();
    if !text
        .to_ascii_lowercase()
        .starts_with(&format!("{}//", of("scheme")))
    {
        return Err("another scheme");
    }
    if !of("user").is_empty() {
        return Err("a user");
    }
    let default = if of("scheme") == "https:" { 443 } else { 80 };
    let port = match &answer["port"] {
        Value::Null => default,
        Value::String(port) if port.is_empty() => default,
        Value::String(port) => port.parse().map_err(|_| "no port")?,
        port => port.as_u64().ok_or("no port")?,
    };
    if port != u64::from(target.port) {
        return Err("another port");
    }
    if answer
        .get("client_port")
        .and_then(Value::as_u64)
        .is_some_and(|p| p != port)
    {
        return Err("another port in the client");
    }
    let client = answer.get("client_host").and_then(Value::as_str);
    if client.is_some_and(|client| client != of("host")) {
        return Err("another host in the client");
    }
    let host = of("host").trim_start_matches('[').trim_end_matches(']');
    let host = host.strip_suffix('.').unwrap_or(host);
    // Python hands a host on as it is written; its resolver then takes it for an address or not.
    let address = answer
        .get("address")
        .and_then(Value::as_str)
        .unwrap_or(host);
    let address = address.parse().ok().map(|a: IpAddr| a.to_canonical());
    match (target.host, address) {
        (Host::Address(judged), Some(read)) if judged == read => Ok(()),
        (Host::Name(name), None) if name.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err("another host"),
    }
}
