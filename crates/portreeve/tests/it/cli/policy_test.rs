//! `portreeve policy test`, run as a team runs it.

use serde_json::Value;

use super::Home;
use super::up::Up;

/// As in the language's description.
const RERUN: &str = "\
policy: rerun.json
tools: { run-rerun: { class: execute } }
cases:
  - name: the eleventh rerun within a minute is refused
    calls:
      - { tool: run-rerun, args: { runId: 1 }, repeat: 10, expect: allow }
      - { at: 59s, tool: run-rerun, args: { runId: 1 }, expect: deny, rule: /tools/run-rerun/limits/0 }
      - { at: 61s, tool: run-rerun, args: { runId: 1 }, expect: allow }
";

const POLICY: &str = r#"{"version":"1","default":"deny","tools":{"run-rerun":{"limits":[
    {"counter":"run-rerun_rate","window":"minute","max":10}]}}}"#;

fn home() -> Home {
    let home = Home::new();
    std::fs::create_dir(home.path("policies")).expect("made");
    home.write("policies/rerun.json", POLICY);
    home.write("policies/rerun.yaml", RERUN);
    home
}

#[test]
fn what_holds_is_counted_and_no_data_directory_is_needed() {
    let home = home();
    let mut command = home.command(&["policy", "test", "policies/rerun.yaml"]);
    let bare = command
        .env_remove("HOME")
        .env_remove("PORTREEVE_DATA_DIR")
        .output()
        .expect("it runs");
    let out = String::from_utf8_lossy(&bare.stdout);
    assert_eq!(out, "3 passed, 0 failed (1 case in 1 file)\n");
    assert_eq!(bare.status.code(), Some(0));
    assert!(!home.path("data").exists());
}

#[test]
fn the_cases_that_come_with_the_sources_hold() {
    let cases = concat!(env!("CARGO_MANIFEST_DIR"), "/../../cases");
    let out = Home::new().ok(&["policy", "test", cases]);
    assert!(out.starts_with("762 passed, 0 failed"), "{out}");
}

#[test]
fn a_call_that_comes_out_otherwise_is_told_with_its_place() {
    let home = home();
    let test = RERUN
        .replace("repeat: 10", "repeat: 11, why: it is a dozen")
        .replace("limits/0", "limits/1");
    home.write("policies/rerun.yaml", &test);
    let said = home.run(&["policy", "test", "policies/rerun.yaml"]);
    assert_eq!(said.code, 1);
    let lines: Vec<&str> = said.out.lines().collect();
    let [first, second, summary] = lines[..] else {
        panic!("{said:?}")
    };
    assert!(
        first.starts_with(
            "failed policies/rerun.yaml:6:9: the eleventh rerun within a minute is refused: tool \
             run-rerun (call 11 of 11): expected allow, got deny by /tools/run-rerun/limits/0: "
        ),
        "{first}"
    );
    assert!(
        first.ends_with(" (expected because: it is a dozen)"),
        "{first}"
    );
    assert!(
        second.contains(
            "yaml:7:9: the eleventh rerun within a minute is refused: tool run-rerun: expected \
             deny by /tools/run-rerun/limits/1, got deny by /tools/run-rerun/limits/0: "
        ),
        "{second}"
    );
    assert_eq!(summary, "1 passed, 2 failed (1 case in 1 file)");

    let json = home.run(&["policy", "test", "policies/rerun.yaml", "--json"]);
    assert_eq!(json.code, 1);
    let json: Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(
        (&json["ok"], &json["passed"], &json["failed"]),
        (&false.into(), &1.into(), &2.into())
    );
    let failure = &json["files"][0]["failures"][0];
    assert_eq!(failure["line"], 6);
    assert_eq!(failure["tool"], "run-rerun");
    assert_eq!(failure["repetition"], 11);
    assert_eq!(failure["expected"]["outcome"], "allow");
    assert_eq!(failure["got"]["rule"], "/tools/run-rerun/limits/0");
}

#[test]
fn a_folder_is_searched_for_tests() {
    let home = home();
    std::fs::create_dir(home.path("policies/more")).expect("made");
    std::fs::create_dir(home.path("policies/.hidden")).expect("made");
    home.write(
        "policies/more/own.json",
        r#"{"policy":{"version":"1","default":"allow","tools":{"n":{"require":[{"conditions":[
            {"path":"args.n","op":"eq","value":9007199254740993}]}]}}},
            "cases":[{"name":"a large number","calls":[
            {"tool":"n","args":{"n":9007199254740993},"expect":"allow"},
            {"tool":"n","args":{"n":9007199254740992},"expect":"deny"},
            {"tool":"n","args":{"n":9007199254740993.0},"expect":"allow"}]}]}"#,
    );
    home.write("policies/.hidden/broken.yaml", "cases: [");
    home.write("policies/other.yml", "on: push\n");
    let said = home.run(&["policy", "test", "policies"]);
    assert_eq!(
        (said.code, &*said.out),
        (0, "6 passed, 0 failed (2 cases in 2 files)\n")
    );
    assert!(
        said.err.contains("note: policies/other.yml is no file"),
        "{said:?}"
    );
    assert!(!said.err.contains("json"), "a policy is no news: {said:?}");

    home.write(
        "policies/more/slip.yaml",
        RERUN.replace("cases", "casse").as_str(),
    );
    let said = home.run(&["policy", "test", "policies"]);
    assert_eq!(said.code, 1);
    assert!(
        said.out.contains("--> policies/more/slip.yaml:3:1\n"),
        "{said:?}"
    );
    assert!(said.out.contains("did you mean `cases`?"), "{said:?}");
    assert!(
        said.out
            .ends_with("6 passed, 0 failed (2 cases in 3 files); 1 file could not be run\n"),
        "{said:?}"
    );
}

#[test]
fn what_cannot_be_run_is_no_success() {
    let home = home();
    for (name, text, code, says) in [
        (
            "a.yaml",
            "policy: gone.json\ncases: [{name: a, calls: [{tool: t, expect: deny}]}]",
            3,
            "cannot read policies/gone.json",
        ),
        (
            "b.yaml",
            "policy: rerun.json\ncases: []\n",
            1,
            "there is no case in this file",
        ),
        ("c.yaml", RERUN, 1, "did you mean `allow`?"),
        (
            "d.yaml",
            "policy: {version: '1', defualt: deny}\ncases: []\n",
            1,
            "--> policies/d.yaml:1:24",
        ),
        (
            "e.yaml",
            "policy: broken.json\ncases: [{name: a, calls: [{tool: t, expect: deny}]}]",
            1,
            "--> policies/broken.json:1:1",
        ),
        (
            "f.yaml",
            "policy: &p rerun.json\n",
            1,
            "anchors are not read here",
        ),
    ] {
        home.write("policies/broken.json", "{}");
        let path = format!("policies/{name}");
        home.write(&path, &text.replace("expect: allow", "expect: alow"));
        let said = home.run(&["policy", "test", &path]);
        assert_eq!(said.code, code, "{said:?}");
        assert!(said.out.contains(says), "{said:?}");
        let json = home.run(&["policy", "test", &path, "--json"]);
        let json: Value = serde_json::from_str(&json.out).expect("JSON");
        assert_eq!(json["ok"], false);
    }
    std::fs::create_dir(home.path("empty")).expect("made");
    assert_eq!(home.run(&["policy", "test", "empty"]).code, 2);
    assert_eq!(home.run(&["policy", "test", "nowhere.yaml"]).code, 3);
    assert_eq!(home.run(&["policy", "test"]).code, 2);
}

#[test]
fn what_is_stated_of_tools_is_held_against_a_servers_pins() {
    let home = home();
    home.furnish();
    let unknown = ["policy", "test", "policies/rerun.yaml", "--server", "runs"];
    let unknown = home.run(&unknown);
    assert_eq!(unknown.code, 3);
    assert!(
        unknown.err.contains("the tools of runs are not known yet"),
        "{unknown:?}"
    );
    let _up = Up::start(&home, &[]);
    let tools = home.json(&["server", "tools", "runs"]);
    let definition = tools.as_array().expect("a list")[0]["definition"].clone();
    let name = definition["name"].as_str().expect("a name").to_owned();
    let schema = definition["inputSchema"].to_string();
    let test = |tools: &str| {
        let text = format!(
            "policy: rerun.json\ntools: {{ {tools} }}\ncases: [{{name: a, calls: [{{tool: t, expect: deny}}]}}]"
        );
        home.write("policies/pins.yaml", &text);
        home.run(&["policy", "test", "policies/pins.yaml", "--server", "runs"])
    };
    let same = test(&format!("{name}: {{schema: {schema}}}"));
    assert_eq!(same.code, 0, "{same:?}");
    let other = test(&format!("{name}: {{schema: {{type: object}}}}"));
    assert_eq!(other.code, 1);
    assert!(
        other.out.contains("is not the one that runs has pinned"),
        "{other:?}"
    );
    let gone = test("run-rerum: {class: write}");
    assert_eq!(gone.code, 1);
    assert!(
        gone.out.contains(
            "policies/pins.yaml:2:21: runs has no tool `run-rerum`; did you mean `run-rerun`?"
        ),
        "{gone:?}"
    );
    assert_eq!(
        home.run(&["policy", "test", "policies/rerun.yaml", "--server", "rusn"])
            .code,
        3
    );
}
