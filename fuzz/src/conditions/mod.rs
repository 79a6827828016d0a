//! Policies that a generator makes, decided twice: by the gate, and by a slow model of what the
//! language says.
//!
//! The input is a tape of choices: a policy, a call, one entry more. The two must agree on the
//! answer, the rule that gives it, what is charged and who must approve.

mod answers;
mod clock;
mod make;
mod model;
mod tree;
mod values;
mod written;

use portreeve_policy::json::{Rules, Value, parse};
use portreeve_policy::limits::{Charge, Readings, Shortfall, Why};
use portreeve_policy::time::Timestamp;
use portreeve_policy::{
    Decision, Effect, Facts, Policy, Schema, Subject, ToolFacts, Traits, compile, normal_form,
};

use make::{Call, Maker};
use model::Expected;
pub use tree::{Exact, glob_text};
use written::Document;

pub fn check(input: &[u8]) {
    let mut maker = Maker::new(input);
    let document = maker.document();
    let call = maker.call();
    let stricter = maker.stricter(&document);
    let (policy, normal) = (compiled(&document), rewritten(&document));
    let (turned, stricter) = (compiled(&document.turned()), compiled(&stricter));

    let text = |value: &dyn std::fmt::Display| value.to_string().into_bytes();
    let args = call.args.as_ref().map(|args| text(args));
    let args = args
        .as_ref()
        .map(|text| parse(text, Rules::MESSAGE).expect("JSON"));
    let schema = call
        .shape
        .as_ref()
        .map(|shape| Schema::read(&parse(&text(shape), Rules::MESSAGE).expect("JSON")));
    let facts = facts(&call, args.as_ref(), schema.as_ref());
    for room in [true, false] {
        let decision = policy.decide(&facts, &Room(room));
        let expected = model::decide(&document, &call, room);
        assert_eq!(told(&decision), expected, "{document}\n{:?}", facts.args);
        assert_eq!(policy.decide(&facts, &Room(room)), decision);
        explained(&policy, &facts, &decision, room);
        assert_eq!(normal.decide(&facts, &Room(room)), decision, "{document}");
        let opposite = turned.decide(&facts, &Room(room));
        assert_eq!(
            told(&opposite),
            expected,
            "{document}\n{}",
            document.turned()
        );
        let more = reach(&stricter.decide(&facts, &Room(room)));
        assert!(
            more <= reach(&decision),
            "one entry more allows more: {document}"
        );
    }
    let tool = tool(&call, schema.as_ref());
    assert!(policy.lists(&tool) || !stricter.lists(&tool));
    let passes = reach(&policy.decide(&facts, &Room(true))) > Reach::Refused;
    assert!(
        policy.lists(&tool) || !passes,
        "callable, and not in the list"
    );
}

/// The policy that its normal form is, which is its own normal form.
fn rewritten(document: &Document) -> Policy {
    let text = document.to_string();
    let normal = normal_form(text.as_bytes()).expect("a policy has a normal form");
    assert_eq!(
        normal_form(normal.as_bytes()).as_ref(),
        Ok(&normal),
        "{text}"
    );
    compile(normal.as_bytes())
        .expect("the normal form is a policy")
        .policy
}

fn compiled(document: &Document) -> Policy {
    let text = document.to_string();
    match compile(text.as_bytes()) {
        Ok(checked) => checked.policy,
        Err(problems) => panic!("{text}\n{problems:#?}"),
    }
}

fn tool<'a>(call: &Call, schema: Option<&'a Schema>) -> ToolFacts<'a> {
    ToolFacts::new(call.tool, call.pin).with(Traits {
        class: call.class,
        also: call.also,
        bits: call.bits,
        schema,
    })
}

fn facts<'a>(call: &'a Call, args: Option<&'a Value<'a>>, schema: Option<&'a Schema>) -> Facts<'a> {
    Facts {
        subject: Subject::Tool(tool(call, schema)),
        server: "runs",
        grant: "ci",
        identity: "ci@example.com",
        client: call.client,
        args,
        labels: &call.labels,
        now: Timestamp(call.now),
    }
}

/// Counters that have room for everything, or for nothing.
struct Room(bool);

impl Readings for Room {
    fn would_hold(&self, _: &Charge, _: Timestamp) -> Result<(), Shortfall> {
        let none = Shortfall {
            retry_after_ms: None,
            why: Why::TooMany,
        };
        if self.0 { Ok(()) } else { Err(none) }
    }
}

fn told(decision: &Decision) -> Expected {
    let charged = |charges: &[Charge]| charges.iter().map(|c| c.rule.to_string()).collect();
    match decision {
        Decision::Allow(admission) => Expected::Allow {
            rule: admission.rule.to_string(),
            charged: charged(&admission.charges),
        },
        Decision::Ask(asking) => Expected::Ask {
            needs: asking
                .needs
                .iter()
                .map(|need| need.rule.to_string())
                .collect(),
            charged: charged(&asking.admission.charges),
        },
        Decision::Deny(refusal) => Expected::Deny {
            rule: refusal.rule.to_string(),
        },
        Decision::Hide(_) => Expected::Hide,
    }
}

/// How far a call gets: refused, waiting with fewer and fewer needs, through.
#[derive(Debug, PartialEq, PartialOrd)]
enum Reach {
    Refused,
    Waits { fewer: isize },
    Passes,
}

fn reach(decision: &Decision) -> Reach {
    match decision {
        Decision::Allow(_) => Reach::Passes,
        Decision::Ask(asking) => Reach::Waits {
            fewer: -isize::try_from(asking.needs.len()).expect("few"),
        },
        Decision::Deny(_) | Decision::Hide(_) => Reach::Refused,
    }
}

/// What is explained is what is decided, and the first finding that refuses is the answer.
fn explained(policy: &Policy, facts: &Facts<'_>, decision: &Decision, room: bool) {
    let explanation = policy.explain(facts, &Room(room));
    assert_eq!(explanation.decision, *decision);
    let refuses = |effect: Effect| matches!(effect, Effect::Refuses | Effect::Hides);
    let first = explanation.findings.iter().find(|f| refuses(f.effect));
    let expected = match decision {
        Decision::Deny(refusal) | Decision::Hide(refusal) => Some(&refusal.rule),
        Decision::Allow(_) | Decision::Ask(_) => None,
    };
    assert_eq!(first.map(|f| &f.rule), expected);
    let asking = explanation
        .findings
        .iter()
        .filter(|f| f.effect == Effect::Asks);
    if let Decision::Ask(asked) = decision {
        let needs = asked.needs.iter().map(|need| &need.rule);
        assert!(asking.map(|f| &f.rule).eq(needs));
    }
}
