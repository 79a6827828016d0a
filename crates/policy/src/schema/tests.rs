//! Schemas as data: what is valid, what is closed, what is not understood.

use super::*;
use crate::json::{Rules, parse};

fn schema(text: &str) -> Schema {
    let value = parse(text.as_bytes(), Rules::DOCUMENT).unwrap_or_else(|e| panic!("{text}: {e}"));
    Schema::read(&value)
}

/// What `validate: true` says: nothing, or why not.
fn closed(schema: &Schema, args: &str) -> String {
    let args = parse(args.as_bytes(), Rules::MESSAGE).expect("JSON");
    let answer = schema
        .validate(&args)
        .and_then(|()| schema.is_closed_over(&args));
    match answer {
        Ok(()) => "ok".to_owned(),
        Err(Invalid::Breach(what)) => what,
        Err(Invalid::Unanswerable(why)) => format!("? {why}"),
    }
}

/// An object whose property `v` has this schema.
fn of_v(inner: &str) -> Schema {
    schema(&format!(
        r#"{{"type":"object","properties":{{"v":{inner}}}}}"#
    ))
}

/// A subschema, a value, and what is said of it.
const KEYWORDS: &[(&str, &str, &str)] = &[
    (r#"{"type":"string"}"#, "\"a\"", "ok"),
    (
        r#"{"type":"string"}"#,
        "1",
        "`args.v` is a number, not string",
    ),
    (r#"{"type":["string","null"]}"#, "null", "ok"),
    (r#"{"type":"integer"}"#, "1.0", "ok"),
    (
        r#"{"type":"integer"}"#,
        "1.5",
        "`args.v` is a number, not integer",
    ),
    (
        r#"{"type":"integer"}"#,
        "1e9999999999",
        "? `args.v` is a number beyond reckoning",
    ),
    (r#"{"enum":["a",1]}"#, "1.0", "ok"),
    (
        r#"{"enum":["a",1]}"#,
        "\"1\"",
        "`args.v` is none of the values it may have",
    ),
    (r#"{"const":[1]}"#, "[1]", "ok"),
    (
        r#"{"minimum":1,"maximum":2}"#,
        "2.5",
        "`args.v` is too large",
    ),
    (r#"{"exclusiveMinimum":1}"#, "1", "`args.v` is too small"),
    (r#"{"exclusiveMaximum":1}"#, "\"x\"", "ok"),
    (r#"{"multipleOf":0.01}"#, "19.99", "ok"),
    (
        r#"{"multipleOf":0.01}"#,
        "19.999",
        "`args.v` is no multiple of what it must be",
    ),
    (r#"{"minLength":2,"maxLength":2}"#, "\"éé\"", "ok"),
    (
        r#"{"minLength":2}"#,
        "\"é\"",
        "`args.v` has too few characters",
    ),
    (r#"{"pattern":"^[a-z]+$"}"#, "\"ab\"", "ok"),
    (
        r#"{"pattern":"^[a-z]+$"}"#,
        "\"aB\"",
        "`args.v` does not match the pattern it must match",
    ),
    (
        r#"{"items":{"type":"integer"}}"#,
        "[1,\"2\"]",
        "`args.v[1]` is a string, not integer",
    ),
    (
        r#"{"prefixItems":[{"type":"string"}],"items":false}"#,
        "[\"a\"]",
        "ok",
    ),
    (
        r#"{"prefixItems":[{"type":"string"}],"items":false}"#,
        "[\"a\",1]",
        "`args.v[1]` is not allowed here",
    ),
    (r#"{"minItems":1}"#, "[]", "`args.v` has too few elements"),
    (
        r#"{"maxItems":1}"#,
        "[1,2]",
        "`args.v` has too many elements",
    ),
    (
        r#"{"uniqueItems":true}"#,
        "[1,1.0]",
        "`args.v` has the same element twice",
    ),
    (
        r#"{"anyOf":[{"type":"string"},{"type":"null"}]}"#,
        "1",
        "`args.v` fits none of the forms it may have",
    ),
    (
        r#"{"oneOf":[{"minimum":1},{"minimum":2}]}"#,
        "3",
        "`args.v` does not fit exactly one of its forms",
    ),
    (
        r#"{"allOf":[{"minimum":1},{"maximum":2}]}"#,
        "0",
        "`args.v` is too small",
    ),
    (
        r#"{"not":{"type":"string"}}"#,
        "\"a\"",
        "`args.v` has a form it must not have",
    ),
    (
        r#"{"required":["a"],"properties":{"a":{}}}"#,
        "{}",
        "`args.v.a` is missing",
    ),
    (
        r#"{"additionalProperties":{"type":"string"}}"#,
        r#"{"k":"x"}"#,
        "ok",
    ),
    (
        r#"{"additionalProperties":{"type":"string"}}"#,
        r#"{"k":1}"#,
        "`args.v.k` is a number, not string",
    ),
    (
        r#"{"properties":{"a":{}},"additionalProperties":false}"#,
        r#"{"b":1}"#,
        "`args.v.b` is not allowed here",
    ),
    (
        r#"{"patternProperties":{"^x":{"type":"string"}}}"#,
        r#"{"xa":"1"}"#,
        "ok",
    ),
    (
        r#"{"patternProperties":{"^x":{"type":"string"}}}"#,
        r#"{"xa":1}"#,
        "`args.v.xa` is a number, not string",
    ),
    (
        r#"{"propertyNames":{"maxLength":2},"additionalProperties":{"type":"string"}}"#,
        r#"{"abc":""}"#,
        "`args.v.abc` has a name that is not allowed",
    ),
    (
        r#"{"minProperties":1}"#,
        "{}",
        "`args.v` has too few members",
    ),
    (
        r#"{"type":"string","format":"email","title":"t","x-order":1}"#,
        "\"no mail\"",
        "ok",
    ),
    ("true", "1", "ok"),
    ("false", "1", "`args.v` is not allowed here"),
];

#[test]
fn keywords_ask_what_they_say() {
    for (inner, value, expected) in KEYWORDS.iter().copied() {
        let args = format!("{{\"v\":{value}}}");
        assert_eq!(closed(&of_v(inner), &args), expected, "{inner} {value}");
    }
}

#[test]
fn nothing_undeclared_at_any_depth() {
    let tree = schema(
        r##"{"type":"object","properties":{
            "name":{"type":"string"},
            "node":{"$ref":"#/$defs/node"},
            "any":{},
            "choice":{"anyOf":[{"properties":{"a":{"type":"string"}},"required":["a"]},
                               {"properties":{"b":{"type":"string"}},"required":["b"]}]}},
          "$defs":{"node":{"properties":{"next":{"$ref":"#/$defs/node"},"list":{"items":{"$ref":"#/$defs/node"}}}}}}"##,
    );
    for (args, expected) in [
        (r#"{"name":"x"}"#, "ok"),
        (
            r#"{"nome":"x"}"#,
            "`args.nome` is not declared in the tool's schema",
        ),
        (r#"{"node":{"next":{"next":{}}}}"#, "ok"),
        (
            r#"{"node":{"next":{"nxt":{}}}}"#,
            "`args.node.next.nxt` is not declared in the tool's schema",
        ),
        (
            r#"{"node":{"list":[{},{"x":1}]}}"#,
            "`args.node.list[1].x` is not declared in the tool's schema",
        ),
        (r#"{"any":"scalar"}"#, "ok"),
        (
            r#"{"any":{"x":1}}"#,
            "`args.any.x` is not declared in the tool's schema",
        ),
        (
            r#"{"any":[[{"x":1}]]}"#,
            "`args.any[0][0].x` is not declared in the tool's schema",
        ),
        (r#"{"choice":{"a":"1"}}"#, "ok"),
        // The branch that declares `b` does not hold, so `b` is not declared.
        (
            r#"{"choice":{"a":"1","b":2}}"#,
            "`args.choice.b` is not declared in the tool's schema",
        ),
    ] {
        assert_eq!(closed(&tree, args), expected, "{args}");
    }
    let open = schema(r#"{"type":"object","additionalProperties":true}"#);
    assert_eq!(
        closed(&open, r#"{"x":1}"#),
        "`args.x` is not declared in the tool's schema"
    );
}

#[test]
fn what_is_not_understood_finds_nothing_valid() {
    for (text, obstacle) in [
        (
            r#"{"if":{}}"#,
            "the keyword `if` is not understood at `#/if`",
        ),
        (
            r#"{"properties":{"a":{"nullable":true}}}"#,
            "the keyword `nullable` is not understood at `#/properties/a/nullable`",
        ),
        (
            r#"{"items":[{}]}"#,
            "`items` has a form that is not understood at `#/items`",
        ),
        (
            r#"{"type":"text"}"#,
            "`type` has a form that is not understood at `#/type`",
        ),
        (
            r#"{"exclusiveMinimum":true}"#,
            "`exclusiveMinimum` has a form that is not understood at `#/exclusiveMinimum`",
        ),
        (
            r#"{"pattern":"(?=a)"}"#,
            "`pattern` has a form that is not understood at `#/pattern`",
        ),
        (
            r##"{"$ref":"#/$defs/none"}"##,
            "`$ref` has a form that is not understood at `#/$ref`",
        ),
        (
            r#"{"$ref":"https://example.com/s"}"#,
            "`$ref` has a form that is not understood at `#/$ref`",
        ),
        (
            r#"{"properties":{"a":{"$id":"b"}}}"#,
            "the keyword `$id` is not understood at `#/properties/a/$id`",
        ),
        (
            r#"{"anyOf":[]}"#,
            "`anyOf` has a form that is not understood at `#/anyOf`",
        ),
        (
            r#"{"enum":[1e9999999999]}"#,
            "`enum` has a form that is not understood at `#/enum`",
        ),
        ("[]", "something that is no schema stands at `#`"),
    ] {
        let schema = schema(text);
        assert_eq!(schema.obstacle(), Some(obstacle), "{text}");
        let told = closed(&schema, "{}");
        assert_eq!(
            told,
            format!("? the tool's schema is not fully understood ({obstacle})")
        );
    }
}

#[test]
fn schemas_that_ask_for_too_much_are_not_answered() {
    const TOO_MANY: &str = "? the tool's schema asks for too many steps";
    assert_eq!(closed(&schema(r##"{"$ref":"#"}"##), "{}"), TOO_MANY);
    let branching = schema(
        r##"{"anyOf":[{"properties":{"a":{"$ref":"#"}},"not":{}},
                      {"properties":{"a":{"$ref":"#"}},"not":{}}]}"##,
    );
    let deep = format!("{}{}{}", "{\"a\":".repeat(100), "1", "}".repeat(100));
    assert_eq!(closed(&branching, &deep), TOO_MANY);
    let chain: Vec<String> = (0..5_000)
        .map(|i| format!("\"d{i}\":{{\"$ref\":\"#/$defs/d{}\"}}", i + 1))
        .collect();
    let chain = schema(&format!(
        r##"{{"$ref":"#/$defs/d0","$defs":{{{},"d5000":{{}}}}}}"##,
        chain.join(",")
    ));
    assert_eq!(chain.obstacle(), None);
    assert_eq!(closed(&chain, "{}"), TOO_MANY);
}

#[test]
fn other_spellings_of_declared_names_are_found() {
    let tree = schema(
        r##"{"properties":{"amount":{},"Id":{},"id":{},
             "items":{"items":{"anyOf":[{"properties":{"price":{}}},{"$ref":"#/$defs/x"}]}}},
             "$defs":{"x":{"properties":{"rabatt":{}}}}}"##,
    );
    for (args, expected) in [
        (r#"{"amount":1,"id":1,"Id":2,"other":3}"#, None),
        (r#"{"Amount":1}"#, Some("Amount")),
        (r#"{"ID":1}"#, Some("ID")),
        (r#"{"items":[{"price":1},{"Price":2}]}"#, Some("Price")),
        (r#"{"items":[{"RABATT":1}]}"#, Some("RABATT")),
        (r#"{"other":{"Amount":1}}"#, None),
    ] {
        let args = parse(args.as_bytes(), Rules::MESSAGE).expect("JSON");
        assert_eq!(tree.imitation(&args), expected, "{expected:?}");
    }
}
