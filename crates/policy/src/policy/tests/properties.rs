//! What must hold for all policies.

use proptest::prelude::*;

use super::*;

const CONDITIONS: [&str; 9] = [
    "",
    r#"{"path":"args.n","op":"gt","value":1}"#,
    r#"{"path":"args.n","op":"eq","value":"1"}"#,
    r#"{"not":{"path":"args.n","op":"lt","value":2}}"#,
    r#"{"path":"args.n","op":"exists","value":false}"#,
    r#"{"any":[{"path":"args.m","op":"neq","value":1},{"path":"args.n","op":"in","value":[1,2]}]}"#,
    r#"{"not":{"all":[{"path":"args.l[*]","op":"eq","value":1},{"path":"tool","op":"eq","value":"t"}]}}"#,
    r#"{"path":"args.l[*].x","op":"neq","value":null}"#,
    r#"{"path":"time.hour","op":"eq","value":0}"#,
];

/// A rule set as text, one entry a key; often one that refuses.
fn rules() -> impl Strategy<Value = Vec<String>> {
    let action = prop::sample::select(vec![
        "",
        "\"action\":\"allow\"",
        "\"action\":\"deny\"",
        "\"action\":\"hide\"",
        "\"action\":\"require_approval\"",
        "\"validate\":\"schema\"",
        "\"validate\":true",
    ]);
    let limit = (0_u8..3, 0_u8..3, prop::bool::ANY).prop_map(|(counter, max, by_path)| {
        let cost = if by_path { "\"args.n\"" } else { "1" };
        format!("{{\"counter\":\"c{counter}{by_path}\",\"window\":\"day\",\"max\":{max},\"cost\":{cost}}}")
    });
    let guards = || {
        let conditions = prop::collection::vec(prop::sample::select(CONDITIONS.to_vec()), 0..3);
        let guard = conditions.prop_map(|conditions| {
            let conditions: Vec<&str> = conditions.into_iter().filter(|c| !c.is_empty()).collect();
            format!("{{\"conditions\":[{}]}}", conditions.join(","))
        });
        prop::collection::vec(guard, 0..2)
    };
    let limits = prop::collection::vec(limit, 0..3);
    (action, guards(), guards(), guards(), limits).prop_map(
        |(action, deny_if, require, asks, limits)| {
            let lists = [
                ("deny_if", deny_if),
                ("require", require),
                ("require_approval", asks),
                ("limits", limits),
            ];
            let filled = lists.into_iter().filter(|(_, entries)| !entries.is_empty());
            let written = filled.map(|(key, entries)| format!("\"{key}\":[{}]", entries.join(",")));
            let action = (!action.is_empty()).then(|| action.to_owned());
            action.into_iter().chain(written).collect()
        },
    )
}

fn document(default: &str, [all, own, glob]: [&[String]; 3], hide: &[&str]) -> String {
    let hide: Vec<String> = hide.iter().map(|name| format!("{name:?}")).collect();
    format!(
        "{{\"version\":\"1\",\"default\":\"{default}\",\"all_tools\":{{{}}},\"tools\":{{\"t\":{{{}}},\"?\":{{{}}}}},\"hide\":[{}]}}",
        all.join(","),
        own.join(","),
        glob.join(","),
        hide.join(",")
    )
}

/// How far a call gets: refused, waiting with so many needs, or through.
#[derive(PartialEq, PartialOrd, Debug)]
enum Reach {
    Refused,
    Waits { needs_less: isize },
    Passes,
}

fn reach(policy: &Policy, name: &str, args: &str) -> Reach {
    let args = json::parse(args.as_bytes(), Rules::MESSAGE).expect("JSON");
    let schema =
        json::parse(br#"{"properties":{"n":{"default":1}}}"#, Rules::MESSAGE).expect("JSON");
    let schema = crate::Schema::read(&schema);
    let subject = Subject::Tool(ToolFacts::new(name, Pin::Pinned).with(crate::Traits {
        class: crate::Class::Write,
        also: crate::Classes::NONE,
        bits: None,
        schema: Some(&schema),
    }));
    let call = facts(subject, Some(&args));
    let decision = policy.decide(&call, &Counters::new(10));
    assert_eq!(
        decision,
        policy.decide(&call, &Counters::new(10)),
        "the same question, the same answer"
    );
    let explanation = policy.explain(&call, &Counters::new(10));
    assert_eq!(
        explanation.decision, decision,
        "what is explained is what is decided"
    );
    let refuses = |f: &&Finding| matches!(f.effect, Effect::Refuses | Effect::Hides);
    let first = explanation.findings.iter().find(refuses);
    match decision {
        Decision::Allow(_) => {
            assert_eq!(first, None);
            Reach::Passes
        }
        Decision::Ask(asking) => {
            assert_eq!(first, None);
            let needs = isize::try_from(asking.needs.len()).expect("few");
            Reach::Waits { needs_less: -needs }
        }
        Decision::Deny(refusal) | Decision::Hide(refusal) => {
            assert_eq!(first.map(|f| &f.rule), Some(&refusal.rule));
            Reach::Refused
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Adding an entry to a rule set that is there, to `all_tools` or to `hide` never allows more.
    #[test]
    fn more_rules_never_allow_more(
        default in prop::sample::select(vec!["allow", "deny"]),
        all in rules(), own in rules(), glob in rules(), cuts in [0_usize..3, 0..3, 0..3],
        hide in prop::sample::select(vec![&[][..], &["t"], &["*"], &["x?"]]),
        args in prop::sample::select(vec![
            "{}", r#"{"n":1}"#, r#"{"n":2}"#, r#"{"N":1}"#, r#"{"n":""}"#, r#"{"n":null}"#,
            r#"{"n":1,"m":1,"l":[1,1]}"#, r#"{"n":3,"l":[{"x":1},{"x":null}]}"#, r#"{"l":{}}"#,
        ]),
    ) {
        // A glob names what it matches if its action says so: that entry alone may allow more.
        let names = |entry: &String| entry.contains("\"allow\"") || entry.contains("\"action\":\"require");
        let glob: Vec<String> = glob.into_iter().filter(|e| !names(e)).collect();
        let sets = [&*all, &*own, &*glob];
        let more = policy(&document(default, sets, hide));
        let mut fewer = sets;
        for (set, cut) in fewer.iter_mut().zip(cuts) {
            *set = &set[cut.min(set.len())..];
        }
        let fewer = policy(&document(default, fewer, &[]));
        for name in ["t", "u"] {
            let (less, most) = (reach(&more, name, args), reach(&fewer, name, args));
            prop_assert!(less <= most, "{less:?} {most:?}");
            let listed = ToolFacts::new(name, Pin::Pinned);
            prop_assert!(!more.lists(&listed) || fewer.lists(&listed));
            prop_assert!(less == Reach::Refused || more.lists(&listed));
        }
    }

    #[test]
    fn compiling_never_panics_on_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(compile(&bytes).is_err());
    }

    /// Documents with a piece cut out, doubled or replaced: an answer, and places in the text.
    #[test]
    fn compiling_never_panics_on_mutated_documents(
        from in 0_usize..1_000, length in 0_usize..40, to in 0_usize..1_000,
        piece in prop::sample::select(vec![
            "", "{", "}", "[", "]", "\"", ",", ":", "null", "1e999", "-1", "\\u0000", "é", "*", "@",
            "\"tools\":{}", "args.a[*]", "\"\":", "\\", "(", "\"not\":", "@write", "1h",
        ]),
    ) {
        const GOOD: &str = r#"{"version":"1","default":"deny","description":"é","hide":["x","@bulk"],
            "timezone":"Asia/Tokyo",
            "flow":[{"name":"f","after":["@egress"],"then":["a*"],"action":"deny","for":"30m"}],
            "all_tools":{"rate_limit":{"max":10,"window":60}},
            "tools":{"a":{"action":"deny","reason":"r","validate":true,"redact":[{"detect":{"regex":"a+"}}],
                "require":[{"conditions":[{"any":[{"path":"args.a[*]","op":"matches","value":"a|b"},
                    {"not":{"path":"time.weekday","op":"in","value":["monday"]}}]}],"on_deny":"x"}],
                "require_approval":[{"conditions":[],"timeout":"1h","hold":0,"approvals":2}]},"\\@b":{"limits":[
                {"counter":"c","window":"90s","max":1.5,"scope":"gateway","cost":"args.a[\"b\"]",
                 "allow_zero":true,"per":"client","max_keys":3,"on_deny":"x"}]}},
            "resources":{"file:///a":{}},"methods":{"m":"allow"},"server_requests":{"roots":"deny"}}"#;
        let mut bytes = GOOD.as_bytes().to_vec();
        let from = from.min(bytes.len());
        let end = (from + length).min(bytes.len());
        let cut: Vec<u8> = bytes.splice(from..end, piece.bytes()).collect();
        let to = to.min(bytes.len());
        bytes.splice(to..to, cut);
        let lines = bytes.split(|b| *b == b'\n').count();
        if let Err(problems) = compile(&bytes) {
            prop_assert!(!problems.is_empty());
            prop_assert!(problems.iter().all(|p| (1..=lines).contains(&p.place.line)));
        }
    }
}
