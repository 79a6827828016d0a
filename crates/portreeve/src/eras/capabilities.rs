//! What a client has said that it can do.

use portreeve_policy::json::{Rules, Value, parse};

use super::answers::Question;

/// Whether a client that declared these capabilities (JSON text) may be asked this.
///
/// INVARIANT: nobody is asked what they have not declared
/// (`nobody_is_asked_what_they_did_not_declare_or_the_policy_refuses`).
pub(super) fn allow(declared: &[u8], question: &Question) -> bool {
    let Ok(declared) = parse(declared, Rules::MESSAGE) else {
        return false;
    };
    let has = |name: &str| declared.get(name).filter(|value| value.members().is_some());
    match question.method.as_str() {
        "roots/list" => has("roots").is_some(),
        "sampling/createMessage" => has("sampling").is_some_and(|sampling| {
            let params = question.params.as_deref().unwrap_or_default();
            let uses_tools = parse(params, Rules::MESSAGE)
                .is_ok_and(|p| p.get("tools").is_some() || p.get("toolChoice").is_some());
            !uses_tools || sampling.get("tools").is_some()
        }),
        "elicitation/create" => has("elicitation").is_some_and(|elicitation| {
            if question.is_url {
                elicitation.get("url").is_some()
            } else {
                // Before there were two kinds, an empty object meant forms.
                let members = elicitation.members().map_or(0, <[_]>::len);
                elicitation.get("form").is_some() || members == 0
            }
        }),
        _ => false,
    }
}

/// The capabilities as they may be told to the other side: without these.
pub(super) fn without(declared: Option<&Value<'_>>, text: &[u8], dropped: &[&str]) -> Vec<u8> {
    let members = declared.and_then(Value::members).unwrap_or_default();
    let kept: Vec<_> = members
        .iter()
        .filter(|member| !dropped.contains(&member.key.as_ref()))
        .map(|member| (member.key.as_ref(), member.value.span.of(text)))
        .collect();
    super::draft::object(&kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_declared_may_be_asked() {
        let ask = |declared: &str, method: &str, params: &str| {
            let text = format!(r#"{{"method":"{method}","params":{params}}}"#);
            let tree = parse(text.as_bytes(), Rules::MESSAGE).unwrap();
            let question = Question::read("k", &tree, text.as_bytes()).unwrap();
            allow(declared.as_bytes(), &question)
        };
        for (declared, method, params, may) in [
            (r#"{"roots":{}}"#, "roots/list", "{}", true),
            ("{}", "roots/list", "{}", false),
            (r#"{"roots":null}"#, "roots/list", "{}", false),
            (r#"{"sampling":{}}"#, "sampling/createMessage", "{}", true),
            (
                r#"{"sampling":{}}"#,
                "sampling/createMessage",
                r#"{"tools":[]}"#,
                false,
            ),
            (
                r#"{"sampling":{"tools":{}}}"#,
                "sampling/createMessage",
                r#"{"tools":[]}"#,
                true,
            ),
            (r#"{"elicitation":{}}"#, "elicitation/create", "{}", true),
            (
                r#"{"elicitation":{"url":{}}}"#,
                "elicitation/create",
                "{}",
                false,
            ),
            (
                r#"{"elicitation":{"form":{}}}"#,
                "elicitation/create",
                r#"{"mode":"url"}"#,
                false,
            ),
            (
                r#"{"elicitation":{"url":{}}}"#,
                "elicitation/create",
                r#"{"mode":"url"}"#,
                true,
            ),
            (
                r#"{"sampling":{},"roots":{},"elicitation":{}}"#,
                "other/thing",
                "{}",
                false,
            ),
        ] {
            assert_eq!(
                ask(declared, method, params),
                may,
                "{declared} {method} {params}"
            );
        }
    }
}
