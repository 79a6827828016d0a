//! A wrap whose policy asks people needs people.

use super::asking;
use crate::cli::Home;
use crate::stdio::script;

#[test]
fn a_wrap_that_would_ask_nobody_says_how_to_add_somebody() {
    let home = Home::new();
    let command = script(&home.path("server.log"), "");
    let start = |policy: &str| {
        home.write("p.json", policy);
        let wrap = ["wrap", "--policy", "p.json", "--label", "mine", "--"].map(str::to_owned);
        let arguments = [wrap.to_vec(), command.clone()].concat();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        home.run_with_input(&arguments, "")
    };
    let flow = r#"{ "version": "1", "default": "allow", "flow": [ { "name": "f", "after": ["act"],
        "then": ["act"], "action": "require_approval", "for": "1h" } ] }"#;
    let action = r#"{ "version": "1", "default": "deny",
        "tools": { "a*": { "action": "require_approval" } } }"#;
    let everything = r#"{ "version": "1", "default": "allow",
        "all_tools": { "require_approval": [ { "conditions": [] } ] } }"#;
    let resources = r#"{ "version": "1", "default": "deny",
        "resources": { "file:///**": { "action": "require_approval" } } }"#;
    for policy in [&asking("1s", ""), flow, action, everything, resources] {
        let said = start(policy);
        assert_eq!((said.code, said.out.as_str()), (3, ""), "{said:?}");
        assert!(said.err.contains("nobody may approve"), "{said:?}");
        let advice = format!(
            "portreeve user add NAME --role admin --data-dir {}",
            home.path("data/wraps/mine").display()
        );
        assert!(said.err.contains(&advice), "{said:?}");
    }
    // One that asks nobody needs nobody.
    let plain = r#"{ "version": "1", "default": "allow", "hide": ["act"] }"#;
    assert_eq!(start(plain).code, 0);
}
