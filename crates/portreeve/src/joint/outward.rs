//! What a server says, in the names of the one URL.
//!
//! Only members that a client follows back are renamed: ids of tasks and elicitations, and URIs of
//! resources. Each is spliced into its place; everything else stays as it came. Structured content
//! and texts are never touched, whatever they contain.

use portreeve_policy::json::{Span, Value};

use super::names;
use crate::mcp::splice::{Patch, apply};

const META_TASK: &str = "io.modelcontextprotocol/related-task";

/// A string as JSON text.
pub(super) fn quoted(text: &str) -> Vec<u8> {
    serde_json::Value::from(text).to_string().into_bytes()
}

/// A part of a text, with the patches that lie in it.
pub(super) fn part(text: &[u8], span: Span, patches: Vec<Patch>) -> Vec<u8> {
    let within = patches.into_iter().map(|patch| Patch {
        span: Span {
            start: patch.span.start.saturating_sub(span.start),
            end: patch.span.end.saturating_sub(span.start),
        },
        with: patch.with,
    });
    apply(span.of(text), within.collect())
}

/// The patches that rename what one server says.
#[derive(Debug)]
pub(super) struct Renaming<'s> {
    server: &'s str,
    pub(super) patches: Vec<Patch>,
}

impl<'s> Renaming<'s> {
    pub(super) const fn of(server: &'s str) -> Self {
        Self {
            server,
            patches: Vec::new(),
        }
    }

    fn put(&mut self, value: Option<&Value<'_>>, rename: fn(&str, &str) -> String) {
        if let Some((value, text)) = value.and_then(|value| Some((value, value.as_str()?))) {
            self.patches.push(Patch {
                span: value.span,
                with: quoted(&rename(self.server, text)),
            });
        }
    }

    pub(super) fn name(&mut self, value: Option<&Value<'_>>) {
        self.put(value, names::joined);
    }

    pub(super) fn uri(&mut self, value: Option<&Value<'_>>) {
        self.put(value, names::uri);
    }

    pub(super) fn id(&mut self, value: Option<&Value<'_>>) {
        self.put(value, names::tagged);
    }

    /// A result that is no list.
    pub(super) fn result(&mut self, result: &Value<'_>) {
        for content in elements(result.get("contents")) {
            self.uri(content.get("uri"));
        }
        self.said(result);
        self.id(result.get("taskId"));
        self.id(result.get("task").and_then(|task| task.get("taskId")));
        self.meta(result.get("_meta"));
        let asked = result.get("inputRequests").and_then(Value::members);
        for request in asked.unwrap_or_default() {
            self.question(request.value.get("params"));
        }
        // What a task of the modern era came to.
        if let Some(inner) = result.get("result") {
            self.said(inner);
            self.meta(inner.get("_meta"));
        }
    }

    /// An error's data.
    pub(super) fn error(&mut self, error: &Value<'_>) {
        let asked = error.get("data").and_then(|data| data.get("elicitations"));
        for elicitation in elements(asked) {
            self.id(elicitation.get("elicitationId"));
        }
    }

    /// The params of what a server asks or tells.
    pub(super) fn question(&mut self, params: Option<&Value<'_>>) {
        let Some(params) = params else { return };
        self.said(params);
        self.id(params.get("elicitationId"));
        self.meta(params.get("_meta"));
    }

    /// `content`, and that of `messages`.
    fn said(&mut self, by: &Value<'_>) {
        self.content(by.get("content"));
        for message in elements(by.get("messages")) {
            self.content(message.get("content"));
        }
    }

    /// One block of content, or several.
    fn content(&mut self, content: Option<&Value<'_>>) {
        let Some(content) = content else { return };
        match content.elements() {
            Some(blocks) => blocks.iter().for_each(|block| self.block(block)),
            None => self.block(content),
        }
    }

    fn block(&mut self, block: &Value<'_>) {
        match block.get("type").and_then(Value::as_str) {
            Some("resource_link") => self.uri(block.get("uri")),
            Some("resource") => self.uri(block.get("resource").and_then(|r| r.get("uri"))),
            Some("tool_result") => {
                for block in elements(block.get("content")) {
                    self.block(block);
                }
            }
            _ => {}
        }
    }

    /// The members of a `_meta` that name something of the server's.
    pub(super) fn meta(&mut self, meta: Option<&Value<'_>>) {
        let Some(meta) = meta else { return };
        self.id(meta.get(META_TASK).and_then(|task| task.get("taskId")));
        self.uri(meta.get("ui").and_then(|ui| ui.get("resourceUri")));
        self.uri(meta.get("ui/resourceUri"));
    }
}

/// The task of a server that an answer of the client belongs to.
pub(super) fn related_task<'v, 'a>(result: &'v Value<'a>) -> Option<&'v Value<'a>> {
    result.get("_meta")?.get(META_TASK)?.get("taskId")
}

fn elements<'v, 'a>(array: Option<&'v Value<'a>>) -> &'v [Value<'a>] {
    array.and_then(Value::elements).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use portreeve_policy::json::{Rules, parse};

    use super::*;

    fn renamed(text: &str, what: impl Fn(&mut Renaming<'static>, &Value<'_>)) -> String {
        let tree = parse(text.as_bytes(), Rules::MESSAGE).unwrap();
        let mut renaming = Renaming::of("s");
        what(&mut renaming, &tree);
        String::from_utf8(apply(text.as_bytes(), renaming.patches)).unwrap()
    }

    #[test]
    fn only_what_a_client_follows_is_renamed() {
        let result = r#"{ "content":[{"type":"text","text":"file:///a"},
            {"type":"resource_link","uri":"file:///a","name":"a"}, {"uri":"file:///b","type":"image"},
            {"type":"resource","resource":{"uri":"ui://b","text":"x"}}],
            "structuredContent":{"uri":"file:///a","taskId":"1"},"big":1.0,
            "_meta":{"io.modelcontextprotocol/related-task":{"taskId":"7"},"ui":{"resourceUri":"ui://c"}}}"#;
        let expected = r#"{ "content":[{"type":"text","text":"file:///a"},
            {"type":"resource_link","uri":"portreeve:s:file:///a","name":"a"}, {"uri":"file:///b","type":"image"},
            {"type":"resource","resource":{"uri":"ui://portreeve/s/b","text":"x"}}],
            "structuredContent":{"uri":"file:///a","taskId":"1"},"big":1.0,
            "_meta":{"io.modelcontextprotocol/related-task":{"taskId":"s:7"},"ui":{"resourceUri":"ui://portreeve/s/c"}}}"#;
        assert_eq!(renamed(result, Renaming::result), expected);
    }

    #[test]
    fn the_other_shapes_of_results_are_known() {
        for (text, expected) in [
            (
                r#"{"contents":[{"uri":"a:b"}]}"#,
                r#"{"contents":[{"uri":"portreeve:s:a:b"}]}"#,
            ),
            (
                r#"{"messages":[{"content":{"type":"resource_link","uri":"a:b"}}]}"#,
                r#"{"messages":[{"content":{"type":"resource_link","uri":"portreeve:s:a:b"}}]}"#,
            ),
            (
                r#"{"task":{"taskId":"t"},"taskId":"u"}"#,
                r#"{"task":{"taskId":"s:t"},"taskId":"s:u"}"#,
            ),
            (
                r#"{"inputRequests":{"a":{"method":"m","params":{"elicitationId":"e"}}}}"#,
                r#"{"inputRequests":{"a":{"method":"m","params":{"elicitationId":"s:e"}}}}"#,
            ),
        ] {
            assert_eq!(renamed(text, Renaming::result), expected);
        }
        assert_eq!(
            renamed(
                r#"{"code":-32042,"data":{"elicitations":[{"elicitationId":"e"}]}}"#,
                |to, tree| {
                    to.error(tree);
                }
            ),
            r#"{"code":-32042,"data":{"elicitations":[{"elicitationId":"s:e"}]}}"#
        );
    }

    #[test]
    fn a_part_is_cut_out_with_its_patches() {
        let text = br#"[{"name":"a"},{"name":"b"}]"#;
        let tree = parse(text, Rules::MESSAGE).unwrap();
        let second = &tree.elements().unwrap()[1];
        let mut renaming = Renaming::of("s");
        renaming.name(second.get("name"));
        assert_eq!(
            part(text, second.span, renaming.patches),
            br#"{"name":"s__b"}"#
        );
    }
}
