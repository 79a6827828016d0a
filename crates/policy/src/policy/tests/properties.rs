//! What must hold for all policies.

use proptest::prelude::*;

use super::*;

/// A rule set as text; often one that refuses.
fn rules() -> impl Strategy<Value = Vec<String>> {
    let action = prop::sample::select(vec![
        "",
        "\"action\":\"allow\"",
        "\"action\":\"deny\"",
        "\"action\":\"hide\"",
    ]);
    let limit = (0_u8..3, 0_u8..3, prop::bool::ANY).prop_map(|(counter, max, by_path)| {
        let cost = if by_path { "\"args.n\"" } else { "1" };
        format!("{{\"counter\":\"c{counter}{by_path}\",\"window\":\"day\",\"max\":{max},\"cost\":{cost}}}")
    });
    (action, prop::collection::vec(limit, 0..3)).prop_map(|(action, limits)| {
        let mut entries: Vec<String> = Vec::new();
        if !action.is_empty() {
            entries.push(action.to_owned());
        }
        if !limits.is_empty() {
            entries.push(format!("\"limits\":[{}]", limits.join(",")));
        }
        entries
    })
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

fn passes(policy: &Policy, name: &str, args: &str) -> bool {
    let args = json::parse(args.as_bytes(), Rules::MESSAGE).expect("JSON");
    let subject = Subject::Tool(ToolFacts::new(name, Pin::Pinned));
    let decision = policy.decide(&facts(subject, Some(&args)), &Counters::new(10));
    assert_eq!(
        decision,
        policy.decide(&facts(subject, Some(&args)), &Counters::new(10)),
        "the same question, the same answer"
    );
    matches!(decision, Decision::Allow(_))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Adding an entry to a rule set that is there, to `all_tools` or to `hide` never allows more.
    #[test]
    fn more_rules_never_allow_more(
        default in prop::sample::select(vec!["allow", "deny"]),
        all in rules(), own in rules(), glob in rules(), cuts in [0_usize..3, 0..3, 0..3],
        hide in prop::sample::select(vec![&[][..], &["t"], &["*"], &["x?"]]),
        args in prop::sample::select(vec!["{}", r#"{"n":1}"#, r#"{"n":2}"#, r#"{"N":1}"#, r#"{"n":""}"#]),
    ) {
        // A glob names what it matches if it says `allow`: that entry alone may allow more.
        let glob: Vec<String> = glob.into_iter().filter(|e| !e.contains("\"allow\"")).collect();
        let sets = [&*all, &*own, &*glob];
        let more = policy(&document(default, sets, hide));
        let mut fewer = sets;
        for (set, cut) in fewer.iter_mut().zip(cuts) {
            *set = &set[cut.min(set.len())..];
        }
        let fewer = policy(&document(default, fewer, &[]));
        for name in ["t", "u"] {
            prop_assert!(!passes(&more, name, args) || passes(&fewer, name, args));
            let listed = ToolFacts::new(name, Pin::Pinned);
            prop_assert!(!more.lists(&listed) || fewer.lists(&listed));
            prop_assert!(!passes(&more, name, args) || more.lists(&listed));
        }
    }

    #[test]
    fn compiling_never_panics_on_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(compile(&bytes).is_err());
    }

    /// Documents with a piece cut out, doubled or replaced: an answer, and places in the text.
    #[test]
    fn compiling_never_panics_on_mutated_documents(
        from in 0_usize..400, length in 0_usize..40, to in 0_usize..400,
        piece in prop::sample::select(vec![
            "", "{", "}", "[", "]", "\"", ",", ":", "null", "1e999", "-1", "\\u0000", "é", "*", "@",
            "\"tools\":{}", "args.a[*]", "\"\":", "\\",
        ]),
    ) {
        const GOOD: &str = r#"{"version":"1","default":"deny","description":"é","hide":["x"],
            "all_tools":{"rate_limit":{"max":10,"window":60}},
            "tools":{"a":{"action":"deny","reason":"r"},"\\@b":{"limits":[
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
