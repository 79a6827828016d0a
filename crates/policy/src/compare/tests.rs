//! Differences as they are told, and what must hold of every claim.

use proptest::prelude::*;

use super::*;
use crate::limits::Counters;
use crate::{
    Bit, Bits, Class, Classes, Decision, Facts, Pin, Policy, Subject, ToolFacts, Traits, compile,
};

/// Each difference in one line.
fn told(old: &str, new: &str) -> Vec<String> {
    let whole = |text: &str| {
        let text = text.trim();
        if text.contains("\"version\"") {
            return text.to_owned();
        }
        let default = if text.contains("\"default\"") {
            ""
        } else {
            "\"default\":\"deny\","
        };
        format!("{{\"version\":\"1\",{default}{text}}}").replace(",}", "}")
    };
    let changes = compare(whole(old).as_bytes(), whole(new).as_bytes());
    let changes = changes
        .unwrap_or_else(|problems| panic!("{problems:?}"))
        .changes;
    let line = |change: &Change| {
        let effect = change.effect.map_or("?", Shift::as_str);
        let kind = change.kind.as_str();
        format!("{kind} {}: {} [{effect}]", change.pointer, change.words)
    };
    changes.iter().map(line).collect()
}

#[test]
fn what_means_the_same_is_no_difference() {
    for (old, new) in [
        (
            r#""tools":{"a":{},"b":{}}"#,
            r#" "tools" : { "b" : { } , "a":{"deny_if":[]}} "#,
        ),
        (
            r#""tools":{"a":{"rate_limit":{"max":5.0,"window":"minute"}}}"#,
            r#""tools":{"a":{"limits":[{"counter":"a_rate","window":60,"max":5,"scope":"grant","cost":1}]}}"#,
        ),
        (
            r#""tools":{"a":{"require":[{"conditions":[{"path":"args.n","op":"eq","value":1.0},{"any":[{"path":"args.a","op":"exists","value":true},{"path":"args.b","op":"exists","value":true}]}]}]}}"#,
            r#""tools":{"a":{"require":[{"conditions":[{"any":[{"value":true,"path":"args.b","op":"exists"},{"path":"args.a","op":"exists","value":true}]},{"path":"args.n","op":"eq","value":1}]}]}}"#,
        ),
        (r#""server_requests":{"roots":"allow"}"#, ""),
        (
            r#""hide":["a","b"],"timezone":"UTC""#,
            r#""hide":["b","a"]"#,
        ),
        (
            r#""tools":{"a":{"require_approval":[{"conditions":[]}]}}"#,
            r#""tools":{"a":{"require_approval":[{"conditions":[],"timeout":"30m","approvals":1}]}}"#,
        ),
    ] {
        assert_eq!(told(old, new), [""; 0], "{old} {new}");
    }
}

#[test]
fn what_is_taken_out_of_results_counts_though_no_call_is_let_through() {
    let methods = r#""version":"1","default":"deny","methods":{"x/run":"allow"}"#;
    let redact = r#"{"redact":[{"detect":"secret"}]}"#;
    for (old, new) in [
        (
            format!(r#""tools":{{"t":{{}},"pay":{redact}}}"#),
            r#""tools":{"t":{},"pay":{"action":"deny"}}"#.to_owned(),
        ),
        (
            format!(r#""tools":{{"t":{{}}}},"all_tools":{redact}"#),
            r#""tools":{"t":{}}"#.to_owned(),
        ),
        (
            format!(r#""tools":{{"pay":{redact}}},"hide":["pay"]"#),
            r#""hide":["pay"]"#.to_owned(),
        ),
        (
            r#""tools":{"pay":{"action":"deny","max_result_bytes":10}}"#.to_owned(),
            r#""tools":{"pay":{"action":"deny"}}"#.to_owned(),
        ),
        (
            format!(r#""all_tools":{redact}"#),
            String::from(r#""tools":{}"#),
        ),
    ] {
        let whole = |text: &str| format!("{{{methods},{text}}}");
        for (old, new) in [(&old, &new), (&new, &old)] {
            let compared = compare(whole(old).as_bytes(), whole(new).as_bytes()).expect("policies");
            assert_eq!(compared.effect, None, "{old} {new}: {:?}", compared.changes);
        }
    }
}

#[test]
fn every_difference_is_told_with_its_place_and_what_is_certain() {
    for (old, new, expected) in [
        (
            r#""default":"deny""#,
            r#""default":"allow""#,
            &["changed /default: deny is allow now [allows more]"][..],
        ),
        (
            r#""default":"allow","hide":["a"]"#,
            r#""default":"allow","hide":["*b"]"#,
            &[
                "removed /hide/0: `a` is not hidden any more [allows more]",
                "added /hide/0: `*b` is hidden [refuses more]",
            ],
        ),
        (
            r#""tools":{"a":{},"gone":{"action":"deny"}}"#,
            r#""tools":{"a":{},"b":{"validate":true},"c*":{"validate":true},"@read":{"action":"allow"}}"#,
            &[
                "removed /tools/gone: with action deny [allows more]",
                "added /tools/b: with validate [allows more]",
                "added /tools/c*: with validate [same calls]",
                "added /tools/@read: with action allow [allows more]",
            ],
        ),
        (
            r#""tools":{"a*":{"action":"allow"}}"#,
            r#""tools":{"a*":{"action":"allow"},"ab":{"validate":true},"b":{"validate":true}}"#,
            &[
                "added /tools/ab: with validate [refuses more]",
                "added /tools/b: with validate [allows more]",
            ],
        ),
        (
            r#""tools":{"@read":{"action":"allow"}}"#,
            r#""tools":{"@read":{"action":"allow"},"b":{"validate":true}}"#,
            &["added /tools/b: with validate [?]"],
        ),
        (
            r#""default":"allow","tools":{"b":{"validate":"schema"},"c":{}}"#,
            r#""default":"allow","tools":{"b":{"validate":true}}"#,
            &[
                "removed /tools/c: without rules [same calls]",
                "changed /tools/b/validate: arguments are as the schema says, with nothing undeclared [refuses more]",
            ],
        ),
        (
            r#""methods":{"a/b":"allow","c/d":"deny"}"#,
            r#""methods":{"a/b":"deny","e/f":"allow"},"server_requests":{"sampling":"allow"}"#,
            &[
                "changed /methods/a~1b: allow is deny now [refuses more]",
                "removed /methods/c~1d: deny; by default deny now [same calls]",
                "added /methods/e~1f: allow; by default deny before [allows more]",
                "changed /server_requests/sampling: deny is allow now [allows more]",
            ],
        ),
        (
            r#""timezone":"Europe/Berlin","flow":[{"name":"f","after":["a"],"then":["b"],"action":"deny","for":"30m"}]"#,
            r#""flow":[{"name":"f","after":["a","c"],"then":["b"],"action":"deny","for":"1h"},{"name":"g","after":["a"],"then":["b"],"action":"deny","for":"1h"}]"#,
            &[
                "changed /timezone: Europe/Berlin is UTC now [same calls]",
                "added /flow/1: `g`: what follows within 60 min is denied [refuses more]",
                "changed /flow/0: `f`: what follows within 60 min is denied (it was otherwise before) [refuses more]",
            ],
        ),
    ] {
        assert_eq!(told(old, new), expected, "{old} {new}");
    }
}

#[test]
fn rules_that_differ_are_told_one_by_one() {
    for (old, new, expected) in [
        (
            r#""tools":{"a":{"require":[{"conditions":[{"path":"args.n","op":"lte","value":10}],"on_deny":"x"}]}}"#,
            r#""tools":{"a":{"require":[{"conditions":[{"path":"args.n","op":"lte","value":9}]}],"deny_if":[{"conditions":[]}]}}"#,
            &[
                "added /tools/a/deny_if/0: always [refuses more]",
                "removed /tools/a/require/0: args.n lte 10 [allows more]",
                "added /tools/a/require/0: args.n lte 9 [refuses more]",
            ][..],
        ),
        (
            r#""tools":{"a":{"limits":[{"counter":"c","window":"day","max":5}]}}"#,
            r#""tools":{"a":{"limits":[{"counter":"c","window":"day","max":3}]}}"#,
            &[
                "changed /tools/a/limits/0: at most 3 per day on `c`, for each grant, 1 a call; before: at most 5 per day on `c`, for each grant, 1 a call [refuses more]",
            ],
        ),
        (
            r#""tools":{"a":{"limits":[{"counter":"c","window":"day","max":5}]}}"#,
            r#""tools":{"a":{"limits":[{"counter":"c","window":"hour","max":3}]}}"#,
            &[
                "changed /tools/a/limits/0: at most 3 per hour on `c`, for each grant, 1 a call; before: at most 5 per day on `c`, for each grant, 1 a call [?]",
            ],
        ),
        (
            r#""tools":{"g*":{},"h*":{"validate":true}}"#,
            r#""tools":{"h*":{"validate":true},"g*":{"action":"allow","reason":"x"}}"#,
            &[
                "changed /tools/g*/action: no action is allow now [allows more]",
                "reordered /tools: globs and classes stand in another order; which refusal is told may differ [same calls]",
            ],
        ),
        (
            r#""tools":{"a":{"action":"deny","reason":"x"},"g*":{"action":"allow"}}"#,
            r#""tools":{"a":{"action":"deny","reason":"y"},"g*":{"action":"require_approval"}}"#,
            &[
                "reworded /tools/a/reason: the reason is worded differently [same calls]",
                "changed /tools/g*/action: allow is require_approval now [refuses more]",
            ],
        ),
        (
            r#""tools":{"a":{"require_approval":[{"conditions":[]}],"max_result_bytes":5}}"#,
            r#""tools":{"a":{"require_approval":[{"conditions":[],"approvals":2,"message":"m"}],"redact":[{"detect":"secret"}]}}"#,
            &[
                "reworded /tools/a/require_approval/0/message: the message is worded differently [same calls]",
                "changed /tools/a/require_approval/0/approvals: 2 people must approve, 1 before [refuses more]",
                "changed /tools/a/max_result_bytes: a result may have any size [?]",
                "changed /tools/a/redact: redactions of results: 1, before: 0 [?]",
            ],
        ),
    ] {
        assert_eq!(told(old, new), expected, "{old} {new}");
    }
}

#[test]
fn what_is_no_policy_is_told() {
    let good = br#"{"version":"1","default":"deny"}"#;
    for bad in [&b"{"[..], b"{}", b"[]"] {
        for (old, new) in [(&good[..], bad), (bad, good)] {
            let problems = compare(old, new).expect_err("no policy");
            assert!(!problems.is_empty());
        }
    }
}

const RULES: [&str; 14] = [
    r#""action":"allow""#,
    r#""action":"deny""#,
    r#""action":"hide""#,
    r#""action":"require_approval""#,
    r#""deny_if":[{"conditions":[{"path":"args.n","op":"gt","value":1}]}]"#,
    r#""deny_if":[]"#,
    r#""require":[{"conditions":[{"path":"args.n","op":"lte","value":2}]}]"#,
    r#""require":[{"conditions":[{"path":"args.n","op":"exists","value":true}]},{"conditions":[{"path":"args.n","op":"lte","value":2}]}]"#,
    r#""validate":"schema""#,
    r#""validate":true"#,
    r#""require_approval":[{"conditions":[{"path":"args.n","op":"gt","value":0}]}]"#,
    r#""limits":[{"counter":"c","window":"day","max":1,"cost":"args.n"}]"#,
    r#""limits":[{"counter":"c","window":"day","max":2,"cost":"args.n"}]"#,
    r#""limits":[{"counter":"c","window":"day","max":2,"cost":"args.n","allow_zero":true}]"#,
];

/// Rules of different keys.
fn rules() -> impl Strategy<Value = String> {
    let all = prop::sample::subsequence(RULES.to_vec(), 0..4);
    all.prop_map(|rules| {
        let mut keys: Vec<&str> = Vec::new();
        let mut kept: Vec<&str> = Vec::new();
        for rule in rules {
            let key = rule.split(':').next().unwrap_or_default();
            if !keys.contains(&key) {
                keys.push(key);
                kept.push(rule);
            }
        }
        format!("{{{}}}", kept.join(","))
    })
}

/// Default, what is hidden, and entries by selector.
type Written = (
    &'static str,
    Option<&'static str>,
    Vec<(&'static str, String)>,
);

fn written() -> impl Strategy<Value = Written> {
    let selectors = prop::sample::subsequence(vec!["t", "u", "t*", "@write", "@bulk", "all"], 0..5);
    let entries = selectors.prop_flat_map(|selectors| {
        let count = selectors.len();
        let sets = prop::collection::vec(rules(), count);
        sets.prop_map(move |sets| selectors.clone().into_iter().zip(sets).collect::<Vec<_>>())
    });
    let default = prop::sample::select(vec!["allow", "deny"]);
    let hide = prop::sample::select(vec![None, None, Some("t"), Some("*u")]);
    (default, hide, entries)
}

fn text((default, hide, entries): &Written) -> String {
    let tools: Vec<String> = entries
        .iter()
        .filter(|(selector, _)| *selector != "all")
        .map(|(selector, rules)| format!("{selector:?}:{rules}"))
        .collect();
    let all = entries.iter().find(|(selector, _)| *selector == "all");
    let all = all.map_or("{}", |(_, rules)| rules);
    let hide = hide.map_or_else(String::new, |name| format!("{name:?}"));
    format!(
        r#"{{"version":"1","default":"{default}","hide":[{hide}],"all_tools":{all},"tools":{{{}}}}}"#,
        tools.join(",")
    )
}

/// How far a call gets: 0 refused, 1 waiting, 2 through.
fn reach(policy: &Policy, name: &str, (class, bits): (Class, Bits), args: &str) -> u8 {
    let args = parse(args.as_bytes(), Rules::MESSAGE).expect("JSON");
    let schema = parse(br#"{"properties":{"n":{"type":"number"}}}"#, Rules::MESSAGE);
    let schema = crate::Schema::read(&schema.expect("JSON"));
    let tool = ToolFacts::new(name, Pin::Pinned).with(Traits {
        class,
        also: Classes::NONE,
        bits: Some(bits),
        schema: Some(&schema),
    });
    let facts = Facts {
        args: Some(&args),
        ..Facts::of(Subject::Tool(tool))
    };
    match policy.decide(&facts, &Counters::new(10)) {
        Decision::Deny(_) | Decision::Hide(_) => 0,
        Decision::Ask(_) => 1,
        Decision::Allow(_) => 2,
    }
}

/// The documents' whole difference, and what a call can show of it.
fn claimed(old: &str, new: &str) -> (Option<Shift>, [Policy; 2]) {
    let claim = compare(old.as_bytes(), new.as_bytes())
        .expect("policies")
        .effect;
    let policies = [old, new].map(|text| compile(text.as_bytes()).expect("a policy").policy);
    (claim, policies)
}

#[expect(clippy::too_many_lines, reason = "a table")]
#[test]
fn what_only_refused_calls_meet_changes_nothing() {
    const DENY: &str = r#"{"version":"1","default":"deny"}"#;
    let deny = |rest: &str| format!(r#"{{"version":"1","default":"deny",{rest}}}"#);
    let allow = |rest: &str| format!(r#"{{"version":"1","default":"allow",{rest}}}"#);
    for (old, new, expected) in [
        (
            deny(r#""tools":{"b":{"action":"deny"}}"#),
            DENY.to_owned(),
            Some(Shift::Nothing),
        ),
        (
            deny(r#""tools":{"b":{"action":"deny"}}"#),
            deny(r#""hide":["b"]"#),
            Some(Shift::Nothing),
        ),
        (
            deny(r#""hide":["b*"]"#),
            DENY.to_owned(),
            Some(Shift::Nothing),
        ),
        (
            deny(r#""tools":{"b*":{"validate":true}}"#),
            DENY.to_owned(),
            Some(Shift::Nothing),
        ),
        (
            deny(r#""all_tools":{"rate_limit":{"max":1,"window":60}}"#),
            DENY.to_owned(),
            Some(Shift::Nothing),
        ),
        (
            DENY.to_owned(),
            allow(r#""tools":{"b":{"action":"deny"}}"#),
            Some(Shift::AllowsMore),
        ),
        (
            allow(r#""tools":{"b":{"action":"deny"}}"#),
            DENY.to_owned(),
            Some(Shift::RefusesMore),
        ),
        (
            allow(r#""tools":{"b":{"rate_limit":{"max":1,"window":60}}}"#),
            DENY.to_owned(),
            Some(Shift::RefusesMore),
        ),
        (
            allow(r#""hide":["x"]"#),
            deny(r#""tools":{"b":{}}"#),
            Some(Shift::RefusesMore),
        ),
        (
            deny(r#""tools":{"b":{}}"#),
            deny(r#""tools":{"c":{}}"#),
            Some(Shift::Both),
        ),
        (
            deny(r#""tools":{"b":{}}"#),
            allow(r#""tools":{"b":{"action":"deny"}}"#),
            Some(Shift::Both),
        ),
        (
            deny(r#""tools":{"b":{"action":"deny"}}"#),
            deny(r#""tools":{"b":{"validate":true}}"#),
            Some(Shift::AllowsMore),
        ),
        (
            deny(r#""tools":{"b*":{"action":"allow"}}"#),
            deny(r#""tools":{"b*":{"action":"allow"},"bc":{"validate":true}}"#),
            Some(Shift::RefusesMore),
        ),
        (
            deny(r#""resources":{"file:///a":{}}"#),
            deny(r#""resources":{"FILE:///%61":{}}"#),
            Some(Shift::Nothing),
        ),
        (
            deny(
                r#""timezone":"Asia/Tokyo","tools":{"b":{"deny_if":[{"conditions":[{"path":"time.hour","op":"gt","value":8}]}]}}"#,
            ),
            deny(r#""tools":{"b":{"action":"deny"}}"#),
            Some(Shift::RefusesMore),
        ),
        (
            deny(
                r#""tools":{"b":{"require":[{"conditions":[{"path":"args.n","op":"lte","value":9}]}]}}"#,
            ),
            deny(
                r#""tools":{"b":{"require":[{"conditions":[{"path":"args.n","op":"lte","value":10}]}]}}"#,
            ),
            None,
        ),
    ] {
        assert_eq!(claimed(&old, &new).0, expected, "{old} {new}");
    }
}

/// What became of some calls.
#[derive(Default)]
struct Shown {
    helped: Option<String>,
    hindered: Option<String>,
}

impl Shown {
    fn look(
        &mut self,
        [before, after]: &[Policy; 2],
        name: &str,
        traits: (Class, Bits),
        args: &str,
    ) {
        let (was, is) = (
            reach(before, name, traits, args),
            reach(after, name, traits, args),
        );
        let call = || Some(format!("{name} {traits:?} {args}: {was} {is}"));
        match was.cmp(&is) {
            std::cmp::Ordering::Less => self.helped = call(),
            std::cmp::Ordering::Greater => self.hindered = call(),
            std::cmp::Ordering::Equal => {}
        }
    }

    /// The default is about more than tools.
    fn look_beside(&mut self, [before, after]: &[Policy; 2]) {
        let what = || Some("a prompt that nobody names".to_owned());
        match (before.lists_prompt("p"), after.lists_prompt("p")) {
            (false, true) => self.helped = what(),
            (true, false) => self.hindered = what(),
            _ => {}
        }
    }

    /// Is the claim true of these calls?
    fn bears_out(&self, claim: Option<Shift>) -> bool {
        let (helped, hindered) = (self.helped.is_some(), self.hindered.is_some());
        match claim {
            // Of this there are examples, which need not be among these.
            None | Some(Shift::Both) => true,
            Some(Shift::Nothing) => !helped && !hindered,
            Some(Shift::AllowsMore) => !hindered,
            Some(Shift::RefusesMore) => !helped,
        }
    }

    /// The claim that these calls make, if there are no others.
    const fn claim(&self) -> Shift {
        match (&self.helped, &self.hindered) {
            (None, None) => Shift::Nothing,
            (Some(_), None) => Shift::AllowsMore,
            (None, Some(_)) => Shift::RefusesMore,
            (Some(_), Some(_)) => Shift::Both,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(700))]

    // INVARIANT: what is said to be certain holds for every call.
    #[test]
    fn what_is_claimed_holds(
        old in written(),
        other in written(),
        kept in prop::collection::vec(any::<bool>(), 7),
    ) {
        // Mostly the same policy, so that much is claimed.
        let mut new = old.clone();
        for (index, (selector, rules)) in other.2.into_iter().enumerate() {
            if kept.get(index) == Some(&true) {
                continue;
            }
            match new.2.iter_mut().find(|(known, _)| *known == selector) {
                Some(entry) => entry.1 = rules,
                None => new.2.push((selector, rules)),
            }
        }
        if kept[5] {
            new.1 = other.1;
        } else {
            new.2.truncate(3);
        }
        if kept[6] {
            new.0 = other.0;
        }
        let (old, new) = (text(&old), text(&new));
        let (claim, policies) = claimed(&old, &new);
        let mut shown = Shown::default();
        let bulk = [Class::Read, Class::Write].map(|class| (class, Bits::NONE.with(Bit::Bulk)));
        let natures = Class::ALL.map(|class| (class, Bits::NONE)).into_iter().chain(bulk);
        for name in ["t", "tt", "tx", "u", "xu", "v"] {
            for traits in natures.clone() {
                for args in ["{}", r#"{"n":0}"#, r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":"x"}"#, r#"{"n":3,"m":1}"#] {
                    shown.look(&policies, name, traits, args);
                }
            }
        }
        shown.look_beside(&policies);
        let Shown { helped, hindered } = &shown;
        prop_assert!(shown.bears_out(claim), "{claim:?}: {helped:?} {hindered:?}\n{old}\n{new}");
    }

    /// Where only names count, everything can be told.
    #[test]
    fn names_are_told_exactly(
        [old, new] in [(); 2].map(|()| (
            prop::sample::select(vec!["allow", "deny"]),
            prop::sample::subsequence(vec![r#""t""#, r#""u""#], 0..3),
            prop::sample::select(vec!["", r#""action":"deny""#, r#""action":"hide""#]),
            prop::sample::select(ACTIONS.to_vec()), prop::sample::select(ACTIONS.to_vec()),
        )),
    ) {
        let [old, new] = [old, new].map(|(default, hide, all, t, u)| {
            let tools = [("t", t), ("u", u)];
            let tools = tools.map(|(name, action)| action.map(|action| format!("{name:?}:{{{action}}}")));
            let tools: Vec<String> = tools.into_iter().flatten().collect();
            let (hide, tools) = (hide.join(","), tools.join(","));
            format!(
                r#"{{"version":"1","default":"{default}","hide":[{hide}],"all_tools":{{{all}}},"tools":{{{tools}}}}}"#
            )
        });
        let (claim, policies) = claimed(&old, &new);
        let mut shown = Shown::default();
        for name in ["t", "u", "v"] {
            shown.look(&policies, name, (Class::Write, Bits::NONE), "{}");
        }
        shown.look_beside(&policies);
        prop_assert_eq!(claim, Some(shown.claim()), "\n{}\n{}", old, new);
    }
}

const ACTIONS: [Option<&str>; 6] = [
    None,
    Some(""),
    Some(r#""action":"allow""#),
    Some(r#""action":"deny""#),
    Some(r#""action":"hide""#),
    Some(r#""action":"require_approval""#),
];
