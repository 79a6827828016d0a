//! A policy: accepted, it decides always alike and adding a refusal to it never allows more;
//! refused, every problem says where it is.
//!
//! The input is a policy, and after the first NUL the arguments of a call.

use portreeve::mcp::splice::{self, Patch};
use portreeve_policy::json::{Rules, Span, Value, parse};
use portreeve_policy::limits::{Charge, Readings, Shortfall};
use portreeve_policy::time::Timestamp;
use portreeve_policy::{
    Checked, Client, Decision, Facts, Pin, Policy, Problem, ServerRequest, Severity, Subject,
    ToolFacts, compile, normal_form,
};

pub fn check(input: &[u8]) {
    let end = input.iter().position(|byte| *byte == 0);
    let (text, rest) = input.split_at(end.unwrap_or(input.len()));
    let args = rest.get(1..).unwrap_or_default();
    let args = parse(args, Rules::MESSAGE).ok();
    let document = parse(text, Rules::DOCUMENT).ok();
    let Checked { policy, warnings } = match compile(text) {
        Ok(checked) => checked,
        Err(problems) => {
            assert!(problems.iter().any(|p| p.severity == Severity::Error));
            return placed(&problems, document.as_ref(), text);
        }
    };
    let document = document.expect("an accepted policy is JSON");
    assert!(warnings.iter().all(|p| p.severity == Severity::Warning));
    placed(&warnings, Some(&document), text);

    let again = [text, b" \n"].concat();
    let again = compile(&again).expect("white space changes nothing").policy;
    let normal = normal_form(text).expect("a policy has a normal form");
    assert_eq!(normal_form(normal.as_bytes()).as_ref(), Ok(&normal));
    let normal = compile(normal.as_bytes())
        .expect("which is a policy")
        .policy;
    let stricter = stricter(&document, text);
    let names = names(&policy);
    for subject in subjects(&names) {
        let facts = facts(subject, args.as_ref());
        let decision = policy.decide(&facts, &Room(true));
        assert_eq!(again.decide(&facts, &Room(true)), decision);
        assert_eq!(normal.decide(&facts, &Room(true)), decision);
        explained(&decision, &document);
        let full = policy.decide(&facts, &Room(false));
        if let (Decision::Allow(open), Decision::Allow(admission)) = (&decision, &full) {
            assert_eq!(open, admission);
            assert!(admission.charges.is_empty(), "a full counter was passed");
        }
        let allowed = matches!(decision, Decision::Allow(_));
        assert!(allowed || !matches!(full, Decision::Allow(_)));
        let listed = match subject {
            Subject::Tool(tool) => {
                let still = stricter.as_ref().map(|s| s.decide(&facts, &Room(true)));
                assert!(!matches!(still, Some(Decision::Allow(_))), "denied for all");
                policy.lists(&tool)
            }
            Subject::Resource { uri } => policy.lists_resource(uri),
            Subject::Prompt { name } => policy.lists_prompt(name),
            Subject::Method { .. } | Subject::ServerRequest(_) => true,
        };
        assert!(listed || !allowed, "callable, and yet not in the list");
    }
}

/// Counters that have room for everything, or for nothing.
struct Room(bool);

impl Readings for Room {
    fn would_hold(&self, charge: &Charge, _: Timestamp) -> Result<(), Shortfall> {
        assert!(!charge.cost.is_negative());
        assert!(charge.window_ms > 0);
        if self.0 {
            return Ok(());
        }
        Err(Shortfall {
            retry_after_ms: None,
            why: portreeve_policy::limits::Why::TooMany,
        })
    }
}

/// The names that the policy mentions, and some that it may not.
fn names(policy: &Policy) -> Vec<String> {
    let mentioned = policy.tool_names().map(|(name, _)| name.to_owned()).take(6);
    let others = ["run", "run-rerun", "", "@read", "a/b", "Run-Rerun"];
    mentioned.chain(others.map(str::to_owned)).collect()
}

fn subjects(names: &[String]) -> impl Iterator<Item = Subject<'_>> {
    let tools = names.iter().flat_map(|name| {
        [Pin::Pinned, Pin::Judged, Pin::Unpinned]
            .map(|pin| Subject::Tool(ToolFacts::new(name, pin)))
    });
    let others = names.iter().flat_map(|name| {
        [
            Subject::Resource { uri: name },
            Subject::Prompt { name },
            Subject::Method { name },
        ]
    });
    let uris = [
        "file:///etc/passwd",
        "file:///a/%2e%2e/b",
        "https://a.example/x?y#z",
    ];
    let uris = uris.into_iter().map(|uri| Subject::Resource { uri });
    let asked = ServerRequest::ALL.into_iter().map(Subject::ServerRequest);
    tools.chain(others).chain(uris).chain(asked)
}

fn facts<'a>(subject: Subject<'a>, args: Option<&'a Value<'a>>) -> Facts<'a> {
    Facts {
        subject,
        server: "runs",
        grant: "ci",
        identity: "ci@example.com",
        client: Some(Client {
            name: "client",
            version: Some("1.0"),
        }),
        args,
        labels: &[],
        now: Timestamp(1_795_000_000_000),
    }
}

/// The rule is one of the document, or stands in parentheses.
fn explained(decision: &Decision, document: &Value<'_>) {
    let (rule, reason) = match decision {
        Decision::Allow(admission) => {
            for charge in &admission.charges {
                assert!(resolves(charge.rule.as_str(), document), "{charge:?}");
            }
            (&admission.rule, "allowed")
        }
        Decision::Ask(asking) => {
            for charge in &asking.admission.charges {
                assert!(resolves(charge.rule.as_str(), document), "{charge:?}");
            }
            (asking.rule(), "a person decides")
        }
        Decision::Deny(refusal) | Decision::Hide(refusal) => {
            (&refusal.rule, refusal.reason.as_str())
        }
    };
    let rule = rule.as_str();
    assert!(!reason.is_empty() || resolves(rule, document));
    let word = rule.starts_with('(') && rule.ends_with(')');
    assert!(word || resolves(rule, document), "no such rule: {rule}");
}

/// The same policy with one more refusal: nobody may call any tool.
fn stricter(document: &Value<'_>, text: &[u8]) -> Option<Policy> {
    let absent = document.get("all_tools").is_none();
    let after = document.span.start.saturating_add(1);
    let patch = Patch {
        span: Span {
            start: after,
            end: after,
        },
        with: br#""all_tools":{"action":"deny"},"#.to_vec(),
    };
    let text = absent.then(|| splice::apply(text, vec![patch]))?;
    Some(compile(&text).expect("one more rule").policy)
}

fn placed(problems: &[Problem], document: Option<&Value<'_>>, text: &[u8]) {
    let lines = String::from_utf8_lossy(text);
    for problem in problems {
        assert!(!problem.message.is_empty());
        let line = problem.place.line.checked_sub(1);
        let line = line.and_then(|index| lines.split('\n').nth(index));
        let within = line.is_some_and(|line| {
            // What is no UTF-8 is counted differently, but never beyond its bytes.
            let longest = line.len().max(line.chars().count()) + 1;
            (1..=longest).contains(&problem.place.column)
        });
        assert!(within, "no such place: {problem}");
        let pointer = problem.pointer.as_str();
        assert!(pointer.is_empty() || pointer.starts_with('/'), "{problem}");
        let Some(document) = document else { continue };
        // What is missing is named where it should be.
        let parent = pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
        let found = resolves(pointer, document) || resolves(parent, document);
        assert!(found, "no such pointer: {problem}");
    }
}

fn resolves(pointer: &str, document: &Value<'_>) -> bool {
    let mut tokens = pointer.split('/');
    if tokens.next() != Some("") {
        return false;
    }
    let mut at = Some(document);
    for token in tokens {
        let key = token.replace("~1", "/").replace("~0", "~");
        at = at.and_then(|value| match value.elements() {
            Some(elements) => elements.get(key.parse::<usize>().ok()?),
            None => value.get(&key),
        });
    }
    at.is_some()
}
