//! What is judged is what is sent: the value that a rule saw is the value that another parser finds
//! in the bytes that reached the server, however they were spelled.

use std::collections::{HashMap, HashSet};

use portreeve::ledger;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::Value;
use serde_json::value::RawValue;

use super::tools;
use crate::support::{TestGate, TestServer};

#[path = "../../../../policy/tests/differential/messages.rs"]
mod messages;

use messages::{Dice, Grown, NAMES, grow, object, scalar, scientific};

const CASES: usize = 40;
const SPELLINGS: usize = 3;

/// The same throws for the same seed.
fn dice(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |bound| {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) >> 8).unwrap() % bound
    }
}

#[derive(Clone, Debug)]
enum Step {
    Name(&'static str),
    Index(usize),
}

/// One tool, the place that its rule looks at, and the call's arguments.
struct Case {
    tool: String,
    steps: Vec<Step>,
    arguments: Grown,
    /// What the rule wants to find there, as it is written in the policy.
    wanted: String,
    /// Whether what is there is charged to a limit.
    charged: bool,
}

impl Case {
    fn grown(number: usize, dice: Dice<'_>) -> Self {
        let value = scalar(dice);
        let wanted = if dice(2) == 0 {
            value.clone()
        } else {
            near(&value, dice)
        };
        let mut steps = vec![Step::Name(NAMES[dice(NAMES.len())])];
        for _ in 0..dice(4) {
            steps.push(match dice(3) {
                0 => Step::Index(dice(3)),
                _ => Step::Name(NAMES[dice(NAMES.len())]),
            });
        }
        let is_there = dice(10) > 0;
        let end = if is_there {
            value.clone()
        } else {
            Grown::List(Vec::new())
        };
        let arguments = steps
            .iter()
            .rev()
            .fold(end, |inner, step| around(step, inner, dice));
        let positive = matches!(&value, Grown::Number(false, digits, _) if !digits.is_empty());
        Self {
            tool: format!("t{number}"),
            steps,
            arguments,
            wanted: wanted.spell(dice),
            charged: positive && is_there && wanted == value,
        }
    }

    fn path(&self, dice: Dice<'_>) -> String {
        let steps = self.steps.iter().map(|step| match step {
            Step::Index(index) => format!("[{index}]"),
            Step::Name(name) if name.chars().all(char::is_alphanumeric) && dice(2) == 0 => {
                format!(".{name}")
            }
            Step::Name(name) => format!("[{}]", Value::from(*name)),
        });
        format!("args{}", steps.collect::<String>())
    }

    /// The rules of its tool, written out: numbers keep their spelling.
    fn rules(&self, dice: Dice<'_>) -> String {
        let path = Value::from(self.path(dice));
        let (op, value) = match dice(2) {
            0 => ("eq", self.wanted.clone()),
            _ => ("in", format!("[\"another\", {}]", self.wanted)),
        };
        let limits = if self.charged {
            let counter = &self.tool;
            format!(
                r#","limits":[{{"counter":"{counter}","window":"hour","max":1e32,"cost":{path}}}]"#
            )
        } else {
            String::new()
        };
        format!(
            r#"{{"require":[{{"conditions":[{{"path":{path},"op":"{op}","value":{value}}}]}}]{limits}}}"#
        )
    }

    fn message(&self, dice: Dice<'_>) -> String {
        let text = |text: &str| Grown::Text(text.to_owned());
        let member = |name: &str, value: Grown| (name.to_owned(), value);
        let params = Grown::Object(vec![
            member("name", text(&self.tool)),
            member("arguments", self.arguments.clone()),
        ]);
        let message = Grown::Object(vec![
            member("jsonrpc", text("2.0")),
            member("id", text("m")),
            member("method", text("tools/call")),
            member("params", params),
        ]);
        message.spell(dice)
    }
}

/// Another value, easily taken for this one.
fn near(value: &Grown, dice: Dice<'_>) -> Grown {
    match value {
        Grown::Null => Grown::Text("null".to_owned()),
        Grown::Bool(is) => [Grown::Bool(!is), Grown::Text(is.to_string())][dice(2)].clone(),
        Grown::Number(minus, digits, power) if digits.is_empty() => [
            Grown::Text("0".to_owned()),
            Grown::Number(*minus, "1".to_owned(), -*power - 20),
        ][dice(2)]
        .clone(),
        Grown::Number(minus, digits, power) => [
            Grown::Number(!minus, digits.clone(), *power),
            Grown::Number(*minus, digits.clone(), power + 1),
            // Beyond what a double can tell apart.
            Grown::Number(*minus, format!("{digits}0000001"), power - 8),
            Grown::Text(format!("{digits}e{power}")),
        ][dice(4)]
        .clone(),
        Grown::Text(text) => [
            Grown::Text(format!("{text}\0")),
            Grown::Text(format!(" {text}")),
            Grown::Text(text.replace('\n', "\\n") + "\\"),
        ][dice(3)]
        .clone(),
        other => other.clone(),
    }
}

/// What lies on the way to a value, with others beside it.
fn around(step: &Step, inner: Grown, dice: Dice<'_>) -> Grown {
    match step {
        Step::Index(index) => {
            let mut elements: Vec<Grown> = (0..*index).map(|_| grow(dice, 1)).collect();
            elements.push(inner);
            elements.extend((0..dice(2)).map(|_| grow(dice, 1)));
            Grown::List(elements)
        }
        Step::Name(name) => {
            let Grown::Object(mut members) = object(dice, 1) else {
                panic!("an object")
            };
            members.retain(|(other, _)| other != name);
            members.insert(dice(members.len() + 1), ((*name).to_owned(), inner));
            Grown::Object(members)
        }
    }
}

/// What another parser finds there, as it is written.
fn found<'a>(message: &'a [u8], steps: &[Step]) -> Option<&'a str> {
    let start = [Step::Name("params"), Step::Name("arguments")];
    let text = std::str::from_utf8(message).unwrap();
    let mut at: &RawValue = serde_json::from_str(text).unwrap();
    for step in start.iter().chain(steps) {
        at = match step {
            Step::Name(name) => {
                let members: HashMap<String, &RawValue> = serde_json::from_str(at.get()).ok()?;
                members.get(*name).copied()?
            }
            Step::Index(index) => {
                let elements: Vec<&RawValue> = serde_json::from_str(at.get()).ok()?;
                elements.get(*index).copied()?
            }
        };
    }
    Some(at.get())
}

/// Whether two scalars are the same, by what is written; nothing is the same as what is no scalar.
fn is_same(a: &str, b: &str) -> bool {
    match (a.trim(), b.trim()) {
        (a, b) if a.starts_with('"') && b.starts_with('"') => {
            let text = |written: &str| serde_json::from_str::<String>(written).unwrap();
            text(a) == text(b)
        }
        (a, b) => {
            let is_number = |t: &str| t.starts_with(|c: char| c == '-' || c.is_ascii_digit());
            if is_number(a) && is_number(b) {
                scientific(a) == scientific(b)
            } else {
                a == b && !a.starts_with(['[', '{'])
            }
        }
    }
}

/// What was charged for each tool's calls, as it stands in the book.
fn charged(gate: &TestGate) -> HashMap<String, Vec<String>> {
    let mut amounts: HashMap<String, Vec<String>> = HashMap::new();
    for line in ledger::tail(&gate.ledger_dir(), 10_000).unwrap() {
        let record: Value = serde_json::from_str(&line).unwrap();
        if let Some(amount) = record["charges"][0][1].as_str() {
            let tool = record["tool"].as_str().unwrap().to_owned();
            amounts.entry(tool).or_default().push(scientific(amount));
        }
    }
    amounts
}

/// How many calls were allowed, refused and charged.
async fn check(seed: u64) -> [usize; 3] {
    println!("seed {seed}");
    let throw = &mut dice(seed);
    let names: Vec<String> = (0..CASES).map(|n| format!("t{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let server = TestServer::with_tools(tools(&names)).await;
    let cases: Vec<Case> = (0..CASES).map(|n| Case::grown(n, throw)).collect();
    let rules: Vec<String> = cases
        .iter()
        .map(|case| format!("\"{}\":{}", case.tool, case.rules(throw)))
        .collect();
    let policy = format!(
        r#"{{"version":"1","default":"deny","tools":{{{}}}}}"#,
        rules.join(",")
    );
    let gate = TestGate::start(&server.url(), &policy).await;
    let (mut allowed, mut refused, mut fingerprints) = (0, 0, HashSet::new());
    for case in &cases {
        let mut own = HashSet::new();
        for _ in 0..SPELLINGS {
            let sent = case.message(throw);
            let there = found(sent.as_bytes(), &case.steps);
            let expected = there.is_some_and(|there| is_same(there, &case.wanted));
            server.forget();
            let answer = gate.post(sent.clone()).await;
            let arrived = server.seen("tools/call");
            let case_told = format!("seed {seed}, wanted {:?} in {sent}", case.wanted);
            if expected {
                allowed += 1;
                assert_eq!(
                    answer.json()["result"]["isError"],
                    Value::Null,
                    "{case_told}"
                );
                assert_eq!(arrived.len(), 1);
                // Byte for byte; white space around a message is nobody's.
                assert_eq!(arrived[0].body, sent.trim_ascii(), "{case_told}");
            } else {
                refused += 1;
                let rule = format!("/tools/{}/require/0", case.tool);
                assert_eq!(answer.decision()["rule"], rule, "{case_told}");
                assert!(arrived.is_empty(), "{case_told}");
            }
            own.insert(gate.booked().pop().unwrap().args_mac.unwrap());
        }
        assert_eq!(own.len(), 1, "one value, one fingerprint: seed {seed}");
        fingerprints.extend(own);
    }
    assert_eq!(fingerprints.len(), CASES, "seed {seed}");
    let amounts = charged(&gate);
    for case in cases.iter().filter(|case| case.charged) {
        let message = case.message(throw);
        let there = found(message.as_bytes(), &case.steps).unwrap();
        let expected = vec![scientific(there); SPELLINGS];
        assert_eq!(amounts[&case.tool], expected, "seed {seed}: {}", case.tool);
    }
    [allowed, refused, amounts.len()]
}

#[tokio::test]
async fn the_value_judged_is_the_value_in_the_bytes_sent() {
    let mut fresh = [0; 8];
    SystemRandom::new().fill(&mut fresh).unwrap();
    let mut seen = [0; 3];
    for seed in [1, 2, 3, u64::from_le_bytes(fresh)] {
        let counts = check(seed).await;
        seen = std::array::from_fn(|i| seen[i] + counts[i]);
    }
    assert!(seen[0] > 100 && seen[1] > 100 && seen[2] > 5, "{seen:?}");
}
