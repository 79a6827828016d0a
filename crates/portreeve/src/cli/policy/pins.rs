//! What policy tests say of tools, held against what a server has.

use std::collections::HashMap;
use std::path::Path;

use portreeve_policy::cases::{CaseFile, Stated};
use portreeve_policy::json::{Rules, canonical, parse};

use crate::admin::{Discovery, Failure, Request, Response, ToolView};
use crate::cli::desk::{request, unexpected};
use crate::name::Name;
use crate::nearest::did_you_mean;

/// A server's tools.
pub(super) struct Pins {
    server: Name,
    tools: HashMap<String, ToolView>,
}

impl Pins {
    pub(super) fn of(dir: Option<&Path>, server: Name) -> Result<Self, Failure> {
        match request(dir, Request::ServerTools { name: server })? {
            Response::Tools {
                server,
                tools,
                discovery: Discovery::Failed(why),
            } if tools.is_empty() => Err(Failure::cannot(
                format!("the tools of {} are not known yet: {why}", server.name),
                "they are read once it can be asked",
            )),
            Response::Tools { server, tools, .. } => Ok(Self {
                server: server.name,
                tools: tools
                    .into_iter()
                    .map(|tool| (tool.tool.clone(), tool))
                    .collect(),
            }),
            _ => Err(unexpected()),
        }
    }

    /// Each contradiction in words, and the byte of the file at which it is stated.
    pub(super) fn contradictions(&self, cases: &CaseFile) -> Vec<(usize, String)> {
        let all = cases.stated().flat_map(|stated| {
            let found = self.contradictions_of(&stated);
            found.into_iter().map(move |what| (stated.offset, what))
        });
        all.collect()
    }

    fn contradictions_of(&self, stated: &Stated<'_>) -> Vec<String> {
        let Stated { tool, .. } = stated;
        let server = &self.server;
        let Some(pinned) = self.tools.get(*tool) else {
            let near = did_you_mean(tool, self.tools.keys().map(String::as_str));
            return vec![format!("{server} has no tool `{tool}`{near}")];
        };
        let mut found = Vec::new();
        // Without a verdict there is nothing to contradict.
        if let (Some(class), Some(pinned)) = (stated.class, &pinned.class)
            && class.as_str() != pinned
        {
            let class = class.as_str();
            found.push(format!(
                "`{tool}` is stated to be of the class {class}, and {server} has it pinned as {pinned}"
            ));
        }
        if let Some(schema) = stated.schema
            && input_schema(pinned).as_deref() != Some(schema)
        {
            found.push(format!(
                "the schema stated for `{tool}` is not the one that {server} has pinned"
            ));
        }
        found
    }
}

/// In its canonical spelling.
fn input_schema(tool: &ToolView) -> Option<String> {
    let definition = parse(tool.definition.get().as_bytes(), Rules::MESSAGE).ok()?;
    definition.get("inputSchema").map(canonical)
}

#[cfg(test)]
mod tests {
    use portreeve_policy::cases::Form;
    use portreeve_policy::time::Timestamp;
    use portreeve_policy::{Class, Classes};

    use super::*;
    use crate::store::model::{Nature, Opinion, Pin, PinState};

    #[test]
    fn a_class_and_a_schema_that_differ_from_the_pins_are_told() {
        let server = Name::new("runs").expect("a name");
        let pin = |tool: &str, class: Option<Class>| Pin {
            server: server.clone(),
            tool: tool.to_owned(),
            hash: String::new(),
            definition: r#"{"name":"x","inputSchema":{"type":"object","n":1.0}}"#.to_owned(),
            state: PinState::Accepted,
            first_seen: Timestamp(0),
            accepted_at: None,
            opinion: Opinion {
                nature: class.map(|class| Nature {
                    class,
                    also: Classes::NONE,
                    bits: None,
                }),
                ..Opinion::default()
            },
        };
        let tools = [("judged", Some(Class::Write)), ("unjudged", None)];
        let tools = tools.map(|(tool, class)| (tool.to_owned(), ToolView::new(&pin(tool, class))));
        let pins = Pins {
            server: server.clone(),
            tools: HashMap::from(tools),
        };
        let told = |tools: &str| {
            let text = format!(
                "policy: p\ntools: {{ {tools} }}\ncases: [{{name: c, calls: [{{tool: t, expect: deny}}]}}]"
            );
            let cases = CaseFile::read(text.as_bytes(), Form::Yaml).expect("cases");
            let found = pins.contradictions(&cases).into_iter();
            found.map(|(_, what)| what).collect::<Vec<_>>()
        };
        let schema = "schema: {n: 1, type: object}";
        assert_eq!(
            told(&format!("judged: {{class: write, {schema}}}")),
            [""; 0]
        );
        assert_eq!(
            told(&format!("unjudged: {{class: read, {schema}}}")),
            [""; 0]
        );
        assert_eq!(told("judged: {}"), [""; 0]);
        assert_eq!(
            told("judged: {class: read, schema: {}}"),
            [
                "`judged` is stated to be of the class read, and runs has it pinned as write",
                "the schema stated for `judged` is not the one that runs has pinned",
            ]
        );
        assert_eq!(
            told("juged: {}"),
            ["runs has no tool `juged`; did you mean `judged`?"]
        );
    }
}
