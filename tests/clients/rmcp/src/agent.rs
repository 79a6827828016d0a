//! One connection of the matrix, and what was asked of this client on it.

#![expect(
    deprecated,
    reason = "sampling goes the way of roots and logging, but servers still ask for it"
)]

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig,
    ClientRequest, CreateMessageRequestParams, CreateMessageResult, ElicitRequestParams,
    ElicitResult, ElicitationAction, ElicitationCapability, Implementation, JsonObject,
    ProgressNotificationParam, ProtocolVersion, Role, SamplingCapability, SamplingMessage,
    SamplingMessageContentBlock, ServerResult,
};
use rmcp::service::{
    NotificationContext, PeerRequestOptions, RequestContext, RequestHandle, RunningService,
};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt as _, ErrorData, RoleClient};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use tokio::time::timeout;

use crate::job::{Era, Job, Way};

const LATE: Duration = Duration::from_millis(300);

/// What the server asked.
#[derive(Default)]
struct Asked {
    sampling: Value,
    elicitation: Value,
}

#[derive(Clone)]
struct Answering {
    asked: Arc<Mutex<Asked>>,
    progress: UnboundedSender<ProgressNotificationParam>,
}

impl Answering {
    fn note(&self, note: impl FnOnce(&mut Asked)) {
        note(&mut self.asked.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl ClientHandler for Answering {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        capabilities.sampling = Some(SamplingCapability::default());
        capabilities.elicitation = Some(ElicitationCapability::default());
        ClientConfig::new(
            capabilities,
            Implementation::new("portreeve-matrix", "1.0.0"),
        )
    }

    async fn create_message(
        &self,
        params: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        let part = params
            .messages
            .first()
            .and_then(|message| message.content.first());
        let prompt = part
            .and_then(|part| part.as_text())
            .map(|text| text.text.clone())
            .unwrap_or_default();
        let content = SamplingMessageContentBlock::text(format!("heard: {prompt}"));
        self.note(|asked| asked.sampling = json!(prompt));
        Ok(CreateMessageResult::new(
            SamplingMessage::new(Role::Assistant, content),
            "none".to_owned(),
        ))
    }

    async fn create_elicitation(
        &self,
        params: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        if let ElicitRequestParams::FormElicitationParams {
            message,
            requested_schema,
            ..
        } = params
        {
            let fields = requested_schema.properties.keys().cloned();
            let seen: Vec<String> = std::iter::once(message).chain(fields).collect();
            self.note(|asked| asked.elicitation = json!(seen));
        }
        let content = json!({ "username": "ole", "email": "ole@example.com" });
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(content))
    }

    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        // Nobody listens any more once the connection is being closed.
        let _ = self.progress.send(params);
    }
}

pub struct Agent {
    label: String,
    prefix: String,
    service: RunningService<RoleClient, Answering>,
    asked: Arc<Mutex<Asked>>,
    progress: UnboundedReceiver<ProgressNotificationParam>,
}

impl Agent {
    pub async fn connect(job: &Job) -> anyhow::Result<Self> {
        let (sender, progress) = unbounded_channel();
        let asked = Arc::<Mutex<Asked>>::default();
        let answering = Answering {
            asked: asked.clone(),
            progress: sender,
        };
        let lifecycle = match job.era {
            Era::Legacy => ClientLifecycleMode::Initialize,
            Era::Modern => ClientLifecycleMode::Discover {
                preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            },
        };
        let service = match &job.way {
            Way::Http { url, token } => {
                let config =
                    StreamableHttpClientTransportConfig::with_uri(url.as_str()).auth_header(token);
                let transport = StreamableHttpClientTransport::from_config(config);
                answering.serve_with_lifecycle(transport, lifecycle).await?
            }
            Way::Stdio { command, env } => {
                let (program, args) = command.split_first().context("no command")?;
                let mut command = Command::new(program);
                command.args(args).env_clear().envs(env);
                answering
                    .serve_with_lifecycle(TokioChildProcess::new(command)?, lifecycle)
                    .await?
            }
        };
        Ok(Self {
            label: job.id.clone(),
            prefix: job.prefix.clone(),
            service,
            asked,
            progress,
        })
    }

    pub async fn close(self) -> anyhow::Result<()> {
        self.service.cancel().await?;
        Ok(())
    }

    pub async fn use_feature(&mut self, feature: &str) -> anyhow::Result<Value> {
        match feature {
            "era" => self.era(),
            "list" => self.list().await,
            "call" => Ok(json!(self.ask("test_simple_text", json!({})).await?)),
            "progress" => self.progress().await,
            "cancel" => self.cancel().await,
            "sampling" => {
                let answer = self
                    .ask("test_sampling", json!({ "prompt": "grüße 🚢" }))
                    .await?;
                Ok(json!({ "asked": self.asked(|asked| asked.sampling.clone()), "said": answer }))
            }
            "elicitation" => {
                let answer = self
                    .ask("test_elicitation", json!({ "message": "Who is there?" }))
                    .await?;
                Ok(
                    json!({ "asked": self.asked(|asked| asked.elicitation.clone()), "said": answer }),
                )
            }
            other => bail!("nothing is known of {other}"),
        }
    }

    fn asked(&self, what: impl FnOnce(&Asked) -> Value) -> Value {
        what(&self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn era(&self) -> anyhow::Result<Value> {
        let info = self
            .service
            .peer_info()
            .context("the server said nothing of itself")?;
        Ok(json!(info.protocol_version))
    }

    async fn list(&self) -> anyhow::Result<Value> {
        let tools = self.service.list_all_tools().await?;
        Ok(tools.iter().map(|tool| json!(tool.name)).collect())
    }

    fn params(&self, name: &str, given: Value) -> anyhow::Result<CallToolRequestParams> {
        let given: JsonObject = serde_json::from_value(given)?;
        Ok(CallToolRequestParams::new(format!("{}{name}", self.prefix)).with_arguments(given))
    }

    async fn ask(&self, name: &str, given: Value) -> anyhow::Result<String> {
        said(self.service.call_tool(self.params(name, given)?).await?)
    }

    /// Begins a call that is watched: its progress comes to `self.progress`.
    async fn begin(
        &mut self,
        name: &str,
        given: Value,
    ) -> anyhow::Result<RequestHandle<RoleClient>> {
        while self.progress.try_recv().is_ok() {}
        let request =
            ClientRequest::CallToolRequest(CallToolRequest::new(self.params(name, given)?));
        Ok(self
            .service
            .send_cancellable_request(request, PeerRequestOptions::no_options())
            .await?)
    }

    async fn progress(&mut self) -> anyhow::Result<Value> {
        let running = self.begin("test_tool_with_progress", json!({})).await?;
        let token = running.progress_token.clone();
        let ServerResult::CallToolResult(result) = running.await_response().await? else {
            bail!("another result than that of a call");
        };
        said(result)?;
        // What is told before a result is handled beside it, and may be handled after it.
        let mut steps = Vec::new();
        while let Ok(Some(step)) = timeout(LATE, self.progress.recv()).await {
            if step.progress_token == token {
                steps.push(json!([step.progress, step.total, step.message]));
            }
        }
        Ok(Value::Array(steps))
    }

    async fn cancel(&mut self) -> anyhow::Result<Value> {
        let given = json!({ "label": self.label });
        let running = self.begin("test_cancellation", given.clone()).await?;
        let token = running.progress_token.clone();
        loop {
            let step = self
                .progress
                .recv()
                .await
                .context("no progress can come any more")?;
            if step.progress_token == token {
                break;
            }
        }
        // This SDK forgets a call as it cancels it: that it is over needs no more than that.
        running.cancel(Some("enough".to_owned())).await?;
        Ok(json!({ "ended": "ended", "server": self.ask("test_given_up", given).await? }))
    }
}

fn said(result: CallToolResult) -> anyhow::Result<String> {
    if result.is_error == Some(true) {
        bail!("an error as result: {result:?}");
    }
    let texts = result.content.iter().filter_map(|part| part.as_text());
    Ok(texts
        .map(|part| part.text.as_str())
        .collect::<Vec<_>>()
        .join("\n"))
}
