//! How a refusal is said to the agent, in the protocol's own form.

use serde::Serialize;

use super::decide::{How, Refused};
use super::release::Withheld;
use crate::mcp::answer;
use crate::mcp::code;
use crate::mcp::method::Topic;
use crate::mcp::revision::Era;

/// The machine-readable decision: `_meta["portreeve/decision"]` of a refused tool call, `data` of
/// any other refused request.
#[derive(Serialize)]
struct Decision<'a> {
    outcome: &'static str,
    rule: &'a str,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    call_id: &'a str,
}

/// Who is answered, and in which form.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// The request's id as JSON text; `None` where it could not be read.
    pub id: Option<&'a str>,
    pub topic: Topic,
    pub era: Era,
    /// The tool that was named, if one was.
    pub tool: Option<&'a str>,
}

/// The message that tells a refusal.
pub(super) fn refusal(asked: &Asked<'_>, refused: &Refused, call_id: &str) -> Vec<u8> {
    if refused.how == How::Hide {
        // INVARIANT: a hidden tool is answered as an unknown one is; nothing tells the two apart.
        let words = match asked.tool {
            Some(tool) => format!("Unknown tool: {tool}"),
            None => refused.reason.clone(),
        };
        return answer::plain_error(asked.id, code::INVALID_PARAMS, &words);
    }
    let decision = Decision {
        outcome: "deny",
        rule: refused.rule.as_str(),
        reason: &refused.reason,
        retry_after_ms: refused.retry_after_ms,
        call_id,
    };
    let words = format!("[POLICY DENIED] {}", refused.reason);
    match (asked.topic, asked.id) {
        (Topic::Tool, Some(id)) => {
            answer::result(id, &ToolResult::new(&words, decision, asked.era))
        }
        _ => answer::error(asked.id, code::POLICY_REFUSED, &words, Some(&decision)),
    }
}

/// The message that tells that a call ran and its result stays here: whoever reads it must not
/// call again.
pub(super) fn withheld(asked: &Asked<'_>, withheld: &Withheld, call_id: &str) -> Vec<u8> {
    let decision = Decision {
        outcome: "withheld",
        rule: withheld.rule.as_str(),
        reason: &withheld.reason,
        retry_after_ms: None,
        call_id,
    };
    let words = format!(
        "[POLICY WITHHELD] the call was executed; {}",
        withheld.reason
    );
    match (asked.topic, asked.id) {
        (Topic::Tool, Some(id)) => {
            answer::result(id, &ToolResult::new(&words, decision, asked.era))
        }
        _ => answer::error(asked.id, code::POLICY_REFUSED, &words, Some(&decision)),
    }
}

#[derive(Serialize)]
struct ToolResult<'a> {
    #[serde(rename = "resultType", skip_serializing_if = "Option::is_none")]
    result_type: Option<&'static str>,
    content: [Text<'a>; 1],
    #[serde(rename = "isError")]
    is_error: bool,
    #[serde(rename = "_meta")]
    meta: Meta<'a>,
}

#[derive(Serialize)]
struct Text<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    text: &'a str,
}

#[derive(Serialize)]
struct Meta<'a> {
    #[serde(rename = "portreeve/decision")]
    decision: Decision<'a>,
}

impl<'a> ToolResult<'a> {
    fn new(words: &'a str, decision: Decision<'a>, era: Era) -> Self {
        Self {
            result_type: (era == Era::Modern).then_some("complete"),
            content: [Text {
                kind: "text",
                text: words,
            }],
            is_error: true,
            meta: Meta { decision },
        }
    }
}
