//! What `up` says first: on an empty store it registers the built-in server, so that the first
//! minute has something to show; later it says how to go on.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::desk::{of_dir_elsewhere, unexpected};
use super::grant::snippet;
use super::output::{Paint, Tone};
use crate::admin::{Failure, GrantState, GrantView, NewTarget, Office, Request, Response};
use crate::demo::RECOMMENDED_POLICY;
use crate::name::{Label, Name, NameError};
use crate::store::model::{Accept, NewTools, Owner};

const ACTOR: &str = "portreeve up";
/// The built-in server's name, and its policy's.
const RUNS: &str = "runs";
const GRANT: &str = "demo";

/// How this start came about.
pub(super) struct Start<'a> {
    pub(super) dir: &'a Path,
    /// Whether it was given a configuration file.
    pub(super) is_configured: bool,
    /// Whether only this machine can connect.
    pub(super) is_local: bool,
}

/// Makes the first minute, or says how to go on.
pub(super) async fn welcome(
    office: &Office,
    url: &str,
    start: &Start<'_>,
    paint: Paint,
) -> Result<String, Failure> {
    let dir = start.dir;
    let Response::Servers { servers } = office.answer(ACTOR, Request::ServerList).await? else {
        return Err(unexpected());
    };
    // INVARIANT: nobody's network gets a server and a grant that nobody asked for
    // (`what_other_machines_can_reach_gets_no_demo`).
    if servers.is_empty() && !start.is_local {
        return Ok(bare(dir));
    }
    if servers.is_empty() {
        let (_, token) = register(office).await?;
        return Ok(first(url, &token, dir, paint));
    }
    let Response::Grants { grants } = office.answer(ACTOR, Request::GrantList).await? else {
        return Err(unexpected());
    };
    let declared = if start.is_configured {
        "from the configuration file"
    } else {
        "declared by a configuration file that this start was not given, or by `portreeve wrap`"
    };
    Ok(again(url, servers.len(), (&grants, declared), dir))
}

async fn register(office: &Office) -> Result<(GrantView, String), Failure> {
    let internal = |error: NameError| Failure::cannot(error.to_string(), "");
    let runs = Name::new(RUNS).map_err(internal)?;
    let add = Request::ServerAdd {
        name: runs.clone(),
        target: NewTarget::Demo,
        new_tools: NewTools::default(),
        accept: Accept::default(),
        private: false,
        timeout_ms: None,
    };
    let put = Request::PolicyPut {
        name: runs.clone(),
        text: RECOMMENDED_POLICY.to_owned(),
        server: None,
    };
    let create = Request::GrantCreate {
        label: Label::new(GRANT).map_err(internal)?,
        identity: None,
        servers: BTreeMap::from([(runs.clone(), runs)]),
        shadows: BTreeMap::new(),
        expires: None,
    };
    // The server comes last: should this be broken off, the next start begins anew.
    office.answer(ACTOR, put).await?;
    office.answer(ACTOR, add).await?;
    match office.answer(ACTOR, create).await? {
        Response::GrantToken { grant, token, .. } => Ok((grant, token)),
        _ => Err(unexpected()),
    }
}

fn first(url: &str, token: &str, dir: &Path, paint: Paint) -> String {
    let program = program();
    let of_dir = of_dir_elsewhere(dir);
    let head = |text: &str| paint.tone(Tone::Head, text);
    let mut text = format!(
        "\nNothing was registered yet, so this start added the built-in server `{RUNS}` (a small run \
         engine),\na policy for it, and a grant:\n\n  token    {}\n           shown this once and \
         stored as a hash; for a new one: {program} grant rotate {GRANT}{of_dir}\n",
        paint.tone(Tone::Good, token),
    );
    let servers = [RUNS];
    let _ = write!(
        text,
        "\n{}\n\n{}",
        head("For an MCP client's configuration:"),
        snippet(url, token, servers)
    );
    let _ = write!(
        text,
        "\n{}\n\n  {}\n",
        head("Try it. Ten calls a minute pass, the eleventh is refused:"),
        curl(url, token)
    );
    let _ = write!(
        text,
        "\n{}\n\n  {program} ledger tail{of_dir}\n  {program} ledger verify{of_dir}\n",
        head("Then see what was booked:"),
    );
    text
}

/// Nothing is there, and nothing was added: other machines can connect.
fn bare(dir: &Path) -> String {
    let (program, of_dir) = (program(), of_dir_elsewhere(dir));
    format!(
        "\nNothing is registered yet. The built-in server `{RUNS}` is not added by itself where other \
         machines can connect.\n  add a server:   {program} server add NAME --url URL{of_dir}\n  or that one:    \
         {program} server add {RUNS} --url builtin:{RUNS}{of_dir}\n"
    )
}

fn again(
    url: &str,
    servers: usize,
    (grants, declared): (&[GrantView], &str),
    dir: &Path,
) -> String {
    let (program, of_dir) = (program(), of_dir_elsewhere(dir));
    let mut text = format!(
        "  servers  {servers}, at {url}/mcp/<server>, those of a grant as one at {url}/mcp\n"
    );
    let is_own =
        |grant: &&GrantView| grant.owner == Owner::Store && grant.state == GrantState::Live;
    let own: Vec<&GrantView> = grants.iter().filter(is_own).collect();
    let count = grants.len();
    let new_token = |label: &str| {
        format!(
            "  grants   {count}; tokens are stored as hashes; for a new one: {program} grant rotate \
             {label}{of_dir}\n           (the old one is worth nothing from then on)\n"
        )
    };
    let _ = match own.as_slice() {
        // INVARIANT: no line to be pasted ends the token of one grant among several
        // (`what_is_pasted_ends_nobodys_token`).
        [grant] => {
            text.push_str(&new_token(&grant.label));
            if grant.label.as_str() == GRANT && grant.servers.contains_key(RUNS) {
                let _ = writeln!(text, "  try it   {}", curl(url, "TOKEN"));
            }
            Ok(())
        }
        [_, ..] => {
            text.push_str(&new_token("LABEL"));
            Ok(())
        }
        [] if grants.iter().any(|grant| grant.state == GrantState::Live) => {
            writeln!(text, "  grants   {count}, {declared}")
        }
        [] => writeln!(
            text,
            "  grants   none in force: nobody can call. Make one: {program} grant create LABEL --server \
             SERVER=POLICY{of_dir}"
        ),
    };
    text
}

fn curl(url: &str, token: &str) -> String {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"run-rerun","arguments":{"runId":1}}}"#;
    format!(
        "curl -s {url}/mcp/{RUNS} -H 'Authorization: Bearer {token}' -H 'Content-Type: \
         application/json' -H 'Accept: application/json, text/event-stream' -d '{body}'"
    )
}

/// How this program was called, so that a line can be copied as it is.
fn program() -> String {
    std::env::args()
        .next()
        .unwrap_or_else(|| "portreeve".to_owned())
}
