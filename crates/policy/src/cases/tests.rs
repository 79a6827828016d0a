//! Case files that hold, that do not, and that are none.

use super::*;
use crate::compile;
use crate::traits::Class;

fn file(text: &str) -> Result<CaseFile, String> {
    CaseFile::read(text.as_bytes(), Form::Json).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        problems.join("\n")
    })
}

/// How the calls of one case came out, in words.
fn outcome(policy: &str, tools: &str, calls: &str) -> String {
    let policy = compile(policy.as_bytes()).expect("a policy").policy;
    let text = format!(
        r#"{{"policy":"p.json","tools":{tools},"cases":[{{"name":"c","start":"2026-11-20T23:00","calls":[{calls}]}}]}}"#
    );
    let file = file(&text).unwrap_or_else(|trouble| panic!("{text}: {trouble}"));
    let results = run(&file, &policy);
    let result = results.first().expect("one case");
    let told = |(index, call): (usize, &CallResult)| {
        let m = call.mismatch.as_ref()?;
        let outcome = m.got.outcome.as_str();
        Some(format!(
            "call {index} repetition {}: {outcome} {}",
            m.repetition, m.got.rule
        ))
    };
    let surprises: Vec<String> = result.calls.iter().enumerate().filter_map(told).collect();
    assert_eq!(result.passed(), surprises.is_empty());
    if surprises.is_empty() {
        return format!("{} as expected", result.calls.len());
    }
    surprises.join("; ")
}

const RERUN: &str = r#"{"version":"1","default":"deny","tools":{"run-rerun":{"limits":[
    {"counter":"run-rerun_rate","window":"minute","max":10}]}}}"#;

#[test]
fn the_eleventh_rerun_within_a_minute_is_refused() {
    let calls = r#"
        {"tool":"run-rerun","args":{"runId":1},"repeat":10,"expect":"allow"},
        {"at":"59s","tool":"run-rerun","args":{"runId":1},"expect":"deny","rule":"/tools/run-rerun/limits/0"},
        {"at":"61s","tool":"run-rerun","args":{"runId":1},"expect":"allow"},
        {"tool":"other","expect":"deny","rule":"(default deny)"}"#;
    assert_eq!(outcome(RERUN, "{}", calls), "4 as expected");
    for (calls, expected) in [
        (
            r#"{"tool":"run-rerun","repeat":11,"expect":"allow"}"#,
            "call 0 repetition 11: deny /tools/run-rerun/limits/0",
        ),
        (
            r#"{"tool":"run-rerun","expect":"ask"}"#,
            "call 0 repetition 1: allow /tools/run-rerun",
        ),
        (
            r#"{"tool":"x","expect":"deny","rule":"/tools/x"}"#,
            "call 0 repetition 1: deny (default deny)",
        ),
        (
            r#"{"tool":"run-rerun","repeat":12,"expect":"allow"},{"tool":"run-rerun","expect":"allow","at":"61s"},
               {"tool":"x","expect":"allow"}"#,
            "call 0 repetition 11: deny /tools/run-rerun/limits/0; call 2 repetition 1: deny (default deny)",
        ),
    ] {
        assert_eq!(outcome(RERUN, "{}", calls), expected);
    }
}

#[test]
fn what_is_known_of_tools_counts() {
    let policy = r#"{"version":"1","default":"deny","timezone":"Europe/Berlin","tools":{
        "@read":{"action":"allow"},
        "@changes":{"action":"require_approval"},
        "night":{"require":[{"conditions":[{"path":"time.hour","op":"eq","value":0}]}]},
        "exact":{"action":"allow","validate":true}},
        "flow":[{"name":"f","after":["@reads-untrusted"],"then":["@egress"],"action":"deny","for":"10m"}],
        "hide":["gone"]}"#;
    let tools = r#"{"get":{"class":"read","bits":["reads-untrusted"]},"look":{"class":"read","bits":[]},
        "post":{"class":"write","bits":["egress"]},"night":{"class":"read","bits":[]},
        "exact":{"class":"read","bits":[],"schema":{"properties":{"n":{"const":9007199254740993}}}},
        "new":{"class":"read","pinned":false}}"#;
    let calls = r#"
        {"tool":"look","expect":"allow","rule":"/tools/@read/action"},
        {"tool":"night","expect":"allow"},
        {"tool":"post","expect":"ask","rule":"/tools/@changes/action"},
        {"tool":"new","expect":"deny","rule":"(not pinned)"},
        {"tool":"gone","expect":"deny","rule":"(hidden)"},
        {"tool":"nobody","expect":"deny","rule":"(default deny)"},
        {"tool":"exact","args":{"n":9007199254740993},"expect":"allow"},
        {"tool":"exact","args":{"n":9007199254740992},"expect":"deny","rule":"/tools/exact/validate"},
        {"tool":"get","expect":"allow"},
        {"tool":"post","expect":"deny","rule":"/flow/0"},
        {"at":"10m","tool":"post","expect":"ask"},
        {"at":"2h","tool":"night","expect":"deny","rule":"/tools/night/require/0"},
        {"prompt":"p","expect":"deny"},{"resource":"file:///a","expect":"deny"},
        {"method":"x/y","expect":"deny"},{"server_request":"roots","expect":"allow"}"#;
    assert_eq!(outcome(policy, tools, calls), "16 as expected");
}

#[test]
fn what_was_seen_belongs_to_who_saw_it() {
    let policy = r#"{"version":"1","default":"allow","flow":[
        {"name":"f","after":["get"],"then":["post"],"action":"deny","for":"10m"}]}"#;
    let calls = r#"
        {"tool":"get","grant":"a","expect":"allow"},
        {"tool":"post","grant":"a","expect":"deny","rule":"/flow/0"},
        {"tool":"post","grant":"b","expect":"allow"},
        {"tool":"post","grant":"b","identity":"a","expect":"deny"}"#;
    assert_eq!(outcome(policy, "{}", calls), "4 as expected");
}

#[test]
fn a_case_says_for_all_its_calls_who_calls() {
    let policy = r#"{"version":"1","default":"deny","tools":{"t":{"require":[{"conditions":[
        {"path":"server","op":"eq","value":"s"},{"path":"grant","op":"eq","value":"g"},
        {"path":"identity","op":"eq","value":"i"}]}],
        "deny_if":[{"conditions":[{"path":"client","op":"eq","value":"c"}]}]}}}"#;
    let text = format!(
        r#"{{"policy":{policy},"cases":[{{"name":"c","server":"s","grant":"g","identity":"i","calls":[
            {{"tool":"t","expect":"allow"}},
            {{"tool":"t","server":"other","expect":"deny"}},
            {{"tool":"t","identity":"other","expect":"deny"}},
            {{"tool":"t","client":"c","expect":"deny","rule":"/tools/t/deny_if/0"}}]}}]}}"#
    );
    let file = file(&text).expect("a file");
    let PolicySource::Inline(policy) = &file.policy else {
        panic!("the policy stands in the file");
    };
    assert!(run(&file, policy).iter().all(CaseResult::passed));
}

#[test]
fn what_is_no_case_file_is_told() {
    let calls = |call: &str| {
        format!("{{\"policy\":\"p\",\"cases\":[{{\"name\":\"c\",\"calls\":[\n{call}]}}]}}")
    };
    for (text, expected) in [
        (
            "[]".to_owned(),
            "line 1, column 1: an object is expected here, not an array",
        ),
        ("{}".to_owned(), "line 1, column 1: `policy` is missing"),
        (
            "{\"policy\":01}".to_owned(),
            "line 1, column 12 (/policy): not a number as JSON writes them",
        ),
        (
            r#"{"policy":"p"}"#.to_owned(),
            "line 1, column 1: `cases` is missing",
        ),
        (
            r#"{"policy":"p","cases":[]}"#.to_owned(),
            "line 1, column 23 (/cases): there is no case in this file",
        ),
        (
            r#"{"policy":"p","cases":[{"name":"c","calls":[]}]}"#.to_owned(),
            "line 1, column 44 (/cases/0/calls): there is no call in this case",
        ),
        (
            r#"{"policy":"p","case":[]}"#.to_owned(),
            "line 1, column 15 (/case): unknown key \"case\"; known are description, policy, tools, cases; did you mean `cases`?",
        ),
        (
            r#"{"policy":{"version":"1","default":"maybe"},"cases":[]}"#.to_owned(),
            "line 1, column 36 (/policy/default): \"maybe\" is no default; it is one of \"allow\" or \"deny\"",
        ),
        (
            calls("{}"),
            "line 2, column 1 (/cases/0/calls/0): `expect` is missing",
        ),
        (
            calls(r#"{"expect":"alow"}"#),
            "line 2, column 11 (/cases/0/calls/0/expect): \"alow\" is none of allow, deny, ask; did you mean `allow`?",
        ),
        (
            calls(r#"{"expect":"deny"}"#),
            "line 2, column 1 (/cases/0/calls/0): a call names one of `tool`, `resource`, `prompt`, `method`, `server_request`",
        ),
        (
            calls(r#"{"expect":"deny","tool":"a","prompt":"b"}"#),
            "line 2, column 1 (/cases/0/calls/0): a call names one of `tool`, `resource`, `prompt`, `method`, `server_request`",
        ),
        (
            calls(r#"{"expect":"deny","tool":"a","at":"soon"}"#),
            "line 2, column 34 (/cases/0/calls/0/at): a span is expected here, as in 59s, 5m, 2h, or seconds",
        ),
        (
            calls(r#"{"expect":"deny","tool":"a","at":5},{"expect":"deny","tool":"a","at":4}"#),
            "line 2, column 37 (/cases/0/calls/1): time does not run backwards: `at` is before the last call",
        ),
        (
            calls(r#"{"expect":"deny","tool":"a","repeat":0}"#),
            "line 2, column 38 (/cases/0/calls/0/repeat): a whole number from 1 to 1000000 is expected here",
        ),
        (
            calls(r#"{"expect":"deny","server_request":"root"}"#),
            "line 2, column 35 (/cases/0/calls/0/server_request): \"root\" is none of sampling, elicitation, elicitation_url, roots; did you mean `roots`?",
        ),
        (
            r#"{"policy":"p","cases":[{"name":"c","calls":[{"tool":"a","expect":"deny"}],"start":"noon"}]}"#.to_owned(),
            "line 1, column 83 (/cases/0/start): a time in UTC is expected here, as in 2026-01-31T22:00",
        ),
    ] {
        let told = file(&text).map(|_| ());
        assert_eq!(told, Err(format!("error at {expected}")), "{text}");
    }
}

#[test]
fn words_that_no_tool_has_are_told() {
    for (text, expected) in [
        (
            r#"{"policy":"p","cases":[],"tools":{"a":{"class":"reads"}}}"#,
            "line 1, column 48 (/tools/a/class): \"reads\" is none of read, write, execute, destructive, financial, unknown; did you mean `read`?",
        ),
        (
            r#"{"policy":"p","cases":[],"tools":{"a":{"bits":["x"]}}}"#,
            "line 1, column 48 (/tools/a/bits/0): \"x\" is none of reads-private, reads-untrusted, egress, secret, bulk, local",
        ),
    ] {
        let told = file(text).map(|_| ());
        assert_eq!(told, Err(format!("error at {expected}")), "{text}");
    }
}

#[test]
fn what_a_file_states_of_tools_can_be_asked() {
    let stated = file(
        r#"{"policy":"p","tools":{"a":{"class":"read"},"b":{"schema":{"type":"object","a":1.0}}},
           "cases":[{"name":"c","calls":[{"tool":"a","expect":"deny"}]}]}"#,
    );
    let stated = stated.expect("a file");
    let stated: Vec<_> = stated
        .stated()
        .map(|s| (s.tool, s.class, s.schema))
        .collect();
    let schema = Some(r#"{"a":1,"type":"object"}"#);
    assert_eq!(
        stated,
        [("a", Some(Class::Read), None), ("b", None, schema)]
    );
}

#[test]
fn only_what_looks_like_cases_is_recognised() {
    for (text, form, expected) in [
        (r#"{"version":"1","default":"deny"}"#, Form::Json, false),
        (r#"{"cases":[]}"#, Form::Json, true),
        (r#"{"policy":"p","case":[]}"#, Form::Json, true),
        ("{", Form::Json, true),
        ("on: push\njobs: []\n", Form::Yaml, false),
        ("cases: []\n", Form::Yaml, true),
    ] {
        assert_eq!(
            CaseFile::recognise(text.as_bytes(), form),
            expected,
            "{text}"
        );
    }
}

fn is_described(text: &str, form: Form) -> bool {
    let schema = crate::json::parse(schema().as_bytes(), crate::json::Rules::DOCUMENT)
        .map(|tree| crate::Schema::read(&tree))
        .expect("JSON");
    assert_eq!(schema.obstacle(), None);
    let tree = file::tree(text.as_bytes(), form).unwrap_or_else(|_| panic!("{text}"));
    schema.validate(&tree).is_ok()
}

/// Files that the reader takes must not be called wrong by an editor.
#[test]
fn what_is_taken_is_described() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let entries = |folder: &str| {
        let folder = std::fs::read_dir(format!("{root}/{folder}")).expect("a folder");
        folder.map(|entry| entry.expect("an entry").path())
    };
    let tests = entries("examples/policies").map(|folder| folder.join("test.yaml"));
    let tests = tests.filter(|path| path.exists());
    let mut described = 0;
    for path in entries("cases").chain(tests) {
        let text = std::fs::read_to_string(&path).expect("a text");
        CaseFile::read(text.as_bytes(), Form::Yaml).expect("a file of cases");
        assert!(is_described(&text, Form::Yaml), "{path:?}");
        described += 1;
    }
    assert!(described >= 10);
    let all = r#"{"description":1,"policy":{"version":"1","default":"deny"},"tools":{"t":{"class":"read",
        "also":["write"],"bits":["egress"],"schema":true,"pinned":false}},"cases":[{"name":"c",
        "start":"2026-01-31T22:00","server":"s","grant":"g","identity":"i","client":"c","calls":[
        {"tool":"t","args":[1],"at":0,"repeat":2,"expect":"deny","rule":"r","why":"w"},
        {"resource":"r:","at":"1m","expect":"allow","server":"s","grant":"g","identity":"i","client":"c"},
        {"server_request":"roots","at":"hour","expect":"ask"}]}]}"#;
    file(all).expect("a file of cases");
    assert!(is_described(all, Form::Json));
}

#[test]
fn usual_mistakes_are_marked_in_the_editor() {
    let call =
        |call: &str| format!(r#"{{"policy":"p.json","cases":[{{"name":"c","calls":[{call}]}}]}}"#);
    assert!(is_described(
        &call(r#"{"tool":"t","expect":"allow"}"#),
        Form::Json
    ));
    for wrong in [
        "{}".to_owned(),
        r#"{"policy":"p.json","cases":[]}"#.to_owned(),
        r#"{"policy":{"version":"1"},"cases":[{"name":"c","calls":[{"tool":"t","expect":"deny"}]}]}"#
            .to_owned(),
        r#"{"policy":"p.json","tools":{"t":{"class":"reads"}},"cases":[{"name":"c","calls":[{"tool":"t","expect":"deny"}]}]}"#
            .to_owned(),
        call(""),
        call(r#"{"tool":"t"}"#),
        call(r#"{"expect":"allow"}"#),
        call(r#"{"tool":"t","prompt":"p","expect":"allow"}"#),
        call(r#"{"tool":"t","expect":"alow"}"#),
        call(r#"{"tool":"t","expect":"allow","at":"soon"}"#),
        call(r#"{"tool":"t","expect":"allow","repeat":0}"#),
        call(r#"{"tool":"t","expect":"allow","arg":{}}"#),
        call(r#"{"server_request":"root","expect":"allow"}"#),
    ] {
        assert!(file(&wrong).is_err(), "{wrong}");
        assert!(!is_described(&wrong, Form::Json), "{wrong}");
    }
}
