//! A client of the conformance suite's: it uses all that a server has.

use anyhow::Context as _;
use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult,
    ElicitationAction, ElicitationCapability, FormElicitationCapability, GetPromptRequestParams,
    Implementation, JsonObject, ProtocolVersion, ReadResourceRequestParams, Tool,
};
use rmcp::service::RequestContext;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt as _, ErrorData, RoleClient};
use serde::Deserialize;
use serde_json::{Value, json};

/// What the suite hands over beside the URL.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    #[serde(default)]
    tool_calls: Vec<Call>,
}

#[derive(Deserialize)]
struct Call {
    name: String,
    arguments: JsonObject,
}

struct Accepting {
    /// What is asked for in a handshake. By itself the SDK asks for a revision that has none, and the
    /// suite's server agrees to it: what follows then is no revision's.
    revision: ProtocolVersion,
}

impl ClientHandler for Accepting {
    fn get_info(&self) -> ClientConfig {
        let form = FormElicitationCapability::new().with_schema_validation(true);
        let mut capabilities = ClientCapabilities::default();
        capabilities.elicitation = Some(ElicitationCapability::new().with_form(form));
        let who = Implementation::new("portreeve-conformance", "1.0.0");
        ClientConfig::new(capabilities, who).with_protocol_version(self.revision.clone())
    }

    async fn create_elicitation(
        &self,
        params: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::FormElicitationParams {
            requested_schema, ..
        } = params
        else {
            return Ok(ElicitResult::new(ElicitationAction::Decline));
        };
        let form = json!(requested_schema);
        let fields = form["properties"].as_object().into_iter().flatten();
        let entered =
            fields.filter_map(|(name, field)| Some((name.clone(), field.get("default")?.clone())));
        let entered = Value::Object(entered.collect());
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(entered))
    }
}

/// Arguments for a tool: a value for each that is required.
fn arguments(tool: &Tool, tools: &[Tool]) -> JsonObject {
    let schema = &tool.input_schema;
    let required = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let value = |name: &str| match schema.get("properties").and_then(|all| all.get(name)) {
        _ if name == "schema" => json!(tools.first().map(|tool| &tool.input_schema)),
        Some(field) => match field["type"].as_str() {
            Some("number" | "integer") => json!(5),
            Some("string") => json!("five"),
            Some("boolean") => json!(true),
            _ => Value::Null,
        },
        None => Value::Null,
    };
    required
        .filter_map(Value::as_str)
        .map(|name| (name.to_owned(), value(name)))
        .collect()
}

/// One refusal is no end: the next use may be what the scenario is about.
fn used<T>(what: &str, outcome: Result<T, impl std::fmt::Display>) {
    if let Err(why) = outcome {
        eprintln!("{what}: {why}");
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the suite says in the environment what it wants"
)]
pub async fn run(url: &str) -> anyhow::Result<()> {
    let revision =
        std::env::var("MCP_CONFORMANCE_PROTOCOL_VERSION").context("no revision is given")?;
    let given: Given = match std::env::var("MCP_CONFORMANCE_CONTEXT") {
        Ok(context) => serde_json::from_str(&context)?,
        Err(_) => Given::default(),
    };
    let lifecycle = if revision.as_str() >= ProtocolVersion::V_2026_07_28.as_str() {
        ClientLifecycleMode::Discover {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        }
    } else {
        ClientLifecycleMode::Initialize
    };
    let transport = StreamableHttpClientTransport::from_uri(url);
    let revision = serde_json::from_value(json!(revision))?;
    let client = Accepting { revision }
        .serve_with_lifecycle(transport, lifecycle)
        .await?;
    let tools = client.list_all_tools().await?;
    let calls = if given.tool_calls.is_empty() {
        let call = |tool: &Tool| Call {
            name: tool.name.to_string(),
            arguments: arguments(tool, &tools),
        };
        tools.iter().map(call).collect()
    } else {
        given.tool_calls
    };
    for Call { name, arguments } in calls {
        let params = CallToolRequestParams::new(name.clone()).with_arguments(arguments);
        used(&name, client.call_tool(params).await);
    }
    let capabilities = client
        .peer_info()
        .context("the server said nothing of itself")?
        .capabilities
        .clone();
    if capabilities.resources.is_some() {
        for resource in client.list_all_resources().await? {
            let params = ReadResourceRequestParams::new(resource.uri.clone());
            used(&resource.uri, client.read_resource(params).await);
        }
    }
    if capabilities.prompts.is_some() {
        for prompt in client.list_all_prompts().await? {
            let params = GetPromptRequestParams::new(prompt.name.clone());
            used(&prompt.name, client.get_prompt(params).await);
        }
    }
    client.cancel().await?;
    Ok(())
}
