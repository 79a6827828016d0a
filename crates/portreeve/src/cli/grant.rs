//! `portreeve grant …`

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::{Args, Subcommand};
use serde_json::json;

use super::desk::{request, unexpected};
use super::listing::{Cell, Listing};
use super::output::{Output, Paint, Tone, plain, printable};
use super::server::owner;
use super::{DataDirArg, Done, FormatArg};
use crate::admin::{Expiry, Failure, GrantState, GrantView, Request, Response};
use crate::name::{Label, Name};
use crate::{clock, duration};

/// Where agents connect unless something else is configured.
const USUAL_URL: &str = "http://127.0.0.1:8787";

#[derive(Debug, Subcommand)]
pub(super) enum Grant {
    /// Make a grant and print its token, this once
    Create(Create),
    /// List the grants
    List {
        #[command(flatten)]
        dir: DataDirArg,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Change a grant's servers and their policies, or its end; what is not named stays
    Set(Set),
    /// Try a policy beside the one in force: decided and recorded on every call, never answered with
    Shadow(Shadow),
    /// Print a new token, this once; the old one is worth nothing from now on
    Rotate {
        /// The grant
        label: Label,
        #[command(flatten)]
        dir: DataDirArg,
        #[command(flatten)]
        format: FormatArg,
    },
    /// End a grant
    Revoke {
        /// The grant
        label: Label,
        #[command(flatten)]
        dir: DataDirArg,
        #[command(flatten)]
        format: FormatArg,
    },
    /// End a grant and forget it, so that its label is free again
    Remove {
        /// The grant
        label: Label,
        #[command(flatten)]
        dir: DataDirArg,
        #[command(flatten)]
        format: FormatArg,
    },
}

#[derive(Debug, Args)]
#[group(id = "change", required = true, multiple = true, args = ["servers", "without", "expires"])]
pub(super) struct Set {
    /// The grant
    label: Label,
    /// A server and the policy in force there
    #[arg(long = "server", value_name = "SERVER=POLICY", value_parser = attachment)]
    servers: Vec<(Name, Name)>,
    /// A server to take away
    #[arg(long, value_name = "SERVER")]
    without: Vec<Name>,
    /// When the grant ends: counted from now, such as `30d`, a date or a time, or `never`
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true, value_parser = expiry)]
    expires: Option<Expiry>,
    #[command(flatten)]
    dir: DataDirArg,
    #[command(flatten)]
    format: FormatArg,
}

#[derive(Debug, Args)]
pub(super) struct Shadow {
    /// The grant
    label: Label,
    /// A server and the policy to try there; `none` ends it
    #[arg(value_name = "SERVER=POLICY|SERVER=none", required = true, value_parser = attachment)]
    shadows: Vec<(Name, Name)>,
    #[command(flatten)]
    dir: DataDirArg,
    #[command(flatten)]
    format: FormatArg,
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// What the caller is called, such as `ci-runner` or `alice-laptop`
    label: Label,
    /// A server and the policy in force there
    #[arg(long = "server", value_name = "SERVER=POLICY", required = true, value_parser = attachment)]
    servers: Vec<(Name, Name)>,
    /// A server and a policy that is tried there: decided and recorded, never answered with
    #[arg(long = "shadow", value_name = "SERVER=POLICY", value_parser = attachment)]
    shadows: Vec<(Name, Name)>,
    /// Who the caller is
    #[arg(long)]
    identity: Option<String>,
    /// When the grant ends: counted from now, such as `30d`, or a date or a time
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true, value_parser = expiry)]
    expires: Option<Expiry>,
    #[command(flatten)]
    dir: DataDirArg,
    #[command(flatten)]
    format: FormatArg,
}

fn attachment(text: &str) -> Result<(Name, Name), String> {
    let (server, policy) = text
        .split_once('=')
        .ok_or("write SERVER=POLICY: the server, and the policy in force there")?;
    let name = |text: &str| Name::new(text).map_err(|error| error.to_string());
    Ok((name(server)?, name(policy)?))
}

fn expiry(text: &str) -> Result<Expiry, String> {
    if text == "never" {
        return Ok(Expiry::Never);
    }
    if let Some(end) = clock::parse_end(text) {
        return Ok(Expiry::At(end.0));
    }
    if text.contains('-') && !text.starts_with('-') {
        let what =
            "no date, nor a time with its zone: write one as 2027-01-31 or 2027-01-31T18:00:00Z";
        return Err(format!("{text:?} is {what}"));
    }
    let span = duration::parse(text)
        .map_err(|error| format!("{error}; or a date such as 2027-01-31; or `never`"))?;
    let ms = i64::try_from(span.as_millis()).map_err(|error| error.to_string())?;
    Ok(Expiry::InMs(ms))
}

/// Each server once.
fn attachments(pairs: Vec<(Name, Name)>) -> Result<BTreeMap<Name, Name>, Failure> {
    let mut servers = BTreeMap::new();
    for (server, policy) in pairs {
        if let Some(other) = servers.insert(server.clone(), policy.clone()) {
            return Err(Failure::usage(
                format!("the server `{server}` is given two policies, `{other}` and `{policy}`"),
                "a grant has one policy on each server: keep one",
            ));
        }
    }
    Ok(servers)
}

impl Grant {
    pub(super) fn run(self, paint: Paint) -> Done {
        match self {
            Self::Create(create) => create.run(),
            Self::List { dir, format } => {
                match request(dir.data_dir.as_deref(), Request::GrantList)? {
                    Response::Grants { grants } => GRANTS.show(&grants, (&format, paint), cells),
                    _ => Err(unexpected()),
                }
            }
            Self::Set(set) => set.run(),
            Self::Shadow(shadow) => shadow.run(),
            Self::Rotate { label, dir, format } => token(
                &dir,
                &format,
                Request::GrantRotate { label },
                "has a new token",
            ),
            Self::Revoke { label, dir, format } => {
                match request(dir.data_dir.as_deref(), Request::GrantRevoke { label })? {
                    Response::Grant { grant, .. } if format.json => Output::json(&grant),
                    Response::Grant { grant, .. } => {
                        Ok(Output::text(format!("grant {} revoked\n", grant.label)))
                    }
                    _ => Err(unexpected()),
                }
            }
            Self::Remove { label, dir, format } => {
                match request(dir.data_dir.as_deref(), Request::GrantRemove { label })? {
                    Response::GrantRemoved { label } if format.json => {
                        Output::json(&json!({ "removed": label }))
                    }
                    Response::GrantRemoved { label } => {
                        Ok(Output::text(format!("grant {label} removed\n")))
                    }
                    _ => Err(unexpected()),
                }
            }
        }
    }
}

impl Set {
    fn run(self) -> Done {
        let ends = self.expires.is_some();
        let servers = attachments(self.servers)?;
        if let Some(both) = self.without.iter().find(|name| servers.contains_key(*name)) {
            return Err(Failure::usage(
                format!("the server `{both}` is both given and taken away"),
                "name it with --server or with --without",
            ));
        }
        let set = Request::GrantSet {
            label: self.label,
            servers,
            without: self.without,
            expires: self.expires,
        };
        match request(self.dir.data_dir.as_deref(), set)? {
            Response::Grant {
                grant,
                unknown_tools,
            } => {
                let told = if self.format.json {
                    Output::json(&grant)?
                } else {
                    let mut text = format!("grant {}: {}\n", grant.label, servers_of(&grant));
                    if ends {
                        let end = grant.expires_at.as_deref().unwrap_or("never");
                        let _ = writeln!(text, "it ends: {end}");
                    }
                    Output::text(text)
                };
                Ok(match expired(&grant) {
                    Some(warning) => warned(told, &unknown_tools).remark(&warning),
                    None => warned(told, &unknown_tools),
                })
            }
            _ => Err(unexpected()),
        }
    }
}

impl Shadow {
    fn run(self) -> Done {
        let shadows = attachments(self.shadows)?
            .into_iter()
            .map(|(server, policy)| {
                let ends = policy.as_str() == "none";
                (server, (!ends).then_some(policy))
            });
        let asked = Request::GrantShadow {
            label: self.label,
            shadows: shadows.collect(),
        };
        match request(self.dir.data_dir.as_deref(), asked)? {
            Response::Grant {
                grant,
                unknown_tools,
            } => {
                let told = if self.format.json {
                    Output::json(&grant)?
                } else {
                    Output::text(format!("grant {}: {}\n", grant.label, servers_of(&grant)))
                };
                Ok(warned(told, &unknown_tools))
            }
            _ => Err(unexpected()),
        }
    }
}

/// With what is to be said of tools that a policy names and a server does not have.
fn warned(told: Output, unknown_tools: &[String]) -> Output {
    let warn = |told: Output, said: &String| told.remark(&printable(&format!("warning: {said}")));
    unknown_tools.iter().fold(told, warn)
}

/// A grant that has ended opens nothing, whatever else is changed.
fn expired(grant: &GrantView) -> Option<String> {
    let (label, end) = (&grant.label, grant.expires_at.as_deref()?);
    (grant.state == GrantState::Expired).then(|| {
        format!(
            "warning: the grant {label} ended at {end}, so its calls are refused: give it a new end \
             with `portreeve grant set {label} --expires 30d` (or `never`)"
        )
    })
}

impl Create {
    fn run(self) -> Done {
        let create = Request::GrantCreate {
            label: self.label,
            identity: self.identity,
            servers: attachments(self.servers)?,
            shadows: attachments(self.shadows)?,
            expires: self.expires,
        };
        token(&self.dir, &self.format, create, "created")
    }
}

fn token(dir: &DataDirArg, format: &FormatArg, asked: Request, what: &str) -> Done {
    match request(dir.data_dir.as_deref(), asked)? {
        Response::GrantToken {
            grant,
            token,
            gateway_url,
            unknown_approvers,
            unknown_tools,
        } => {
            let url = gateway_url.as_deref().unwrap_or(USUAL_URL);
            let mut output = if format.json {
                Output::json(&json!({
                    "grant": grant, "token": token, "url": usual_url(&grant, url),
                }))?
            } else {
                Output::text(shown_once(&grant, &token, url, what))
            };
            if let Some(warning) = expired(&grant) {
                output = output.remark(&warning);
            }
            for said in unknown_approvers.iter().chain(&unknown_tools) {
                output = output.remark(&printable(&format!("warning: {said}")));
            }
            if format.json {
                return Ok(output);
            }
            Ok(match gateway_url {
                Some(_) => output,
                None => output.remark(
                    "note: portreeve is not running; the address is the usual one, if no other \
                     is configured",
                ),
            })
        }
        _ => Err(unexpected()),
    }
}

/// The URL that a client is given: the only server's own, or that of all of them.
fn usual_url(grant: &GrantView, url: &str) -> String {
    let mut servers = grant.servers.keys();
    match (servers.next(), servers.next()) {
        (Some(only), None) => format!("{url}/mcp/{only}"),
        _ => format!("{url}/mcp"),
    }
}

/// The token with what is needed to use it.
pub(super) fn shown_once(grant: &GrantView, token: &str, url: &str, what: &str) -> String {
    let label = &grant.label;
    let mut text = format!("grant {label} {what}; its token is shown this once:\n\n  {token}\n\n");
    for (server, policy) in &grant.servers {
        let policy = policy
            .as_ref()
            .map_or("none: everything is denied", Name::as_str);
        let _ = writeln!(text, "{server}:  {url}/mcp/{server}  (policy {policy})");
    }
    if grant.servers.len() > 1 {
        let _ = writeln!(text, "all of them as one:  {url}/mcp");
    }
    if let Some(expires) = &grant.expires_at {
        let _ = writeln!(text, "it ends at {expires}");
    }
    let _ = write!(
        text,
        "\nfor an MCP client's configuration:\n\n{}",
        snippet(url, token, grant.servers.keys().map(Name::as_str))
    );
    text
}

/// What a client's configuration needs to reach these servers through the gate.
pub(super) fn snippet<'a>(
    url: &str,
    token: &str,
    servers: impl IntoIterator<Item = &'a str>,
) -> String {
    let entry = |server: &str| {
        json!({
            "type": "http",
            "url": format!("{url}/mcp/{server}"),
            "headers": { "Authorization": format!("Bearer {token}") },
        })
    };
    let entries: serde_json::Map<String, serde_json::Value> = servers
        .into_iter()
        .map(|server| (server.to_owned(), entry(server)))
        .collect();
    serde_json::to_string_pretty(&json!({ "mcpServers": entries })).unwrap_or_default() + "\n"
}

fn servers_of(grant: &GrantView) -> String {
    if grant.servers.is_empty() {
        return "no servers".to_owned();
    }
    let one = |(server, policy): (&Name, &Option<Name>)| {
        let in_force = match policy {
            Some(policy) => format!("{server}={policy}"),
            None => format!("{server} (no policy)"),
        };
        match grant.shadows.get(server) {
            Some(shadow) => format!("{in_force} (shadow {shadow})"),
            None => in_force,
        }
    };
    let all: Vec<String> = grant.servers.iter().map(one).collect();
    all.join(" ")
}

const GRANTS: Listing<6> = Listing {
    head: [
        "LABEL",
        "STATE",
        "SERVERS=POLICIES",
        "IDENTITY",
        "EXPIRES",
        "OWNER",
    ],
    nothing: "no grants; make one with `portreeve grant create LABEL --server SERVER=POLICY`",
};

fn cells(grant: &GrantView) -> [Cell; 6] {
    let (state, tone) = match grant.state {
        GrantState::Live => ("live", Tone::Good),
        GrantState::Expired => ("expired", Tone::Waiting),
        GrantState::Revoked => ("revoked", Tone::Bad),
    };
    [
        plain(grant.label.as_str()),
        (state.to_owned(), tone),
        plain(servers_of(grant)),
        plain(grant.identity.as_deref().unwrap_or("-")),
        plain(grant.expires_at.as_deref().unwrap_or("never")),
        plain(owner(grant.owner)),
    ]
}
