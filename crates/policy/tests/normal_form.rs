//! The normal form of a policy says what the policy says.

use portreeve_policy::normal_form;

#[test]
fn one_spelling_for_each_meaning() {
    const WRITTEN: &str = r#"{
        "tools": {
            "b*": {"action":"allow"},
            "\\@odd": {"rate_limit":{"window":"minute","max":1e1}},
            "@write": {"require_approval":[{"conditions":[],"hold":20,"timeout":"1800s","approvals":2}],
                       "require":[]},
            "a": {"limits":[{"window":86400,"counter":"c","max":100.0,"cost":1,"scope":"grant",
                             "allow_zero":false,"max_keys":1000,"per":"args.x"}],
                  "deny_if":[{"on_deny":"n\u006f","conditions":[{"op":"in","value":[1.0, "a"],"path":"args[\"a b\"]"},
                      {"not":{"any":[{"value":{"statements":["select"]},"path":"args.q","op":"sql_only"}]}}]}]}
        },
        "default": "deny", "hide": [], "timezone": "Europe/Berlin", "version": "1",
        "flow": [{"for":"90m","name":"f","then":["@egress"],"after":["@changes","\\@x"],"action":"deny"}]
    }"#;
    const NORMAL: &str = r#"{
  "version": "1",
  "default": "deny",
  "timezone": "Europe/Berlin",
  "tools": {
    "b*": {"action": "allow"},
    "\\@odd": {"rate_limit": {"max": 10, "window": "1m"}},
    "@write": {"require_approval": [{"conditions": [], "approvals": 2}]},
    "a": {
      "deny_if": [
        {
          "conditions": [
            {"path": "args[\"a b\"]", "op": "in", "value": [1, "a"]},
            {
              "not": {
                "any": [{"path": "args.q", "op": "sql_only", "value": {"statements": ["select"]}}]
              }
            }
          ],
          "on_deny": "no"
        }
      ],
      "limits": [{"counter": "c", "window": "1d", "max": 100, "per": "args.x"}]
    }
  },
  "flow": [
    {
      "name": "f",
      "after": ["@changes", "\\@x"],
      "then": ["@egress"],
      "action": "deny",
      "for": "90m"
    }
  ]
}
"#;
    assert_eq!(normal_form(WRITTEN.as_bytes()).expect("a policy"), NORMAL);
    assert_eq!(normal_form(NORMAL.as_bytes()).expect("a policy"), NORMAL);
}

#[test]
fn what_is_no_policy_has_no_normal_form() {
    let problems = normal_form(br#"{"version":"1","default":"deny","tolls":{}}"#);
    assert_eq!(problems.map_err(|told| told.len()), Err(1));
}
