//! Tools that a policy names and a server does not have: told wherever the two meet.

use std::collections::BTreeSet;

use super::failure::Failure;
use super::office::Office;
use crate::name::Name;
use crate::nearest::did_you_mean;
use crate::policy_text;
use crate::store::model::{Grant, Snapshot};

impl Office {
    /// What is to be said of the tools that these policies name, each with a server where it is now in force
    /// or tried.
    pub(super) async fn unknown_tools(
        &self,
        meetings: impl IntoIterator<Item = (&Name, &Name)>,
    ) -> Result<Vec<String>, Failure> {
        let meetings: BTreeSet<(&Name, &Name)> = meetings.into_iter().collect();
        if meetings.is_empty() {
            return Ok(Vec::new());
        }
        let snapshot = self.store.load_all().await?;
        let policies: BTreeSet<&Name> = meetings.iter().map(|(_, policy)| *policy).collect();
        let mut said = Vec::new();
        for policy in policies {
            let here = meetings.iter().filter(|(_, of)| *of == policy);
            said.extend(of_policy(
                &snapshot,
                policy,
                here.map(|(server, _)| *server),
            ));
        }
        Ok(said)
    }

    /// The same of every server where this policy is in force or tried.
    pub(super) async fn unknown_tools_of(&self, policy: &Name) -> Result<Vec<String>, Failure> {
        let grants = self.store.grants().await?;
        let servers = grants.iter().flat_map(|grant| servers_of(grant, policy));
        self.unknown_tools(servers.map(|server| (server, policy)))
            .await
    }
}

fn of_policy<'a>(
    snapshot: &'a Snapshot,
    name: &Name,
    here: impl Iterator<Item = &'a Name>,
) -> Vec<String> {
    let stored = snapshot.policies.iter().find(|policy| policy.name == *name);
    let Some(Ok(checked)) = stored.map(|policy| policy_text::check(policy.text.as_bytes())) else {
        return Vec::new();
    };
    if checked.tools.is_empty() {
        return Vec::new();
    }
    let tools_of = |server: &Name| -> BTreeSet<&str> {
        let pins = snapshot.pins.iter();
        let pins = pins.filter(|pin| pin.server == *server);
        pins.map(|pin| pin.tool.as_str()).collect()
    };
    let mut said = Vec::new();
    // One policy may be for several servers, and name tools of each: a name is idle if none has it. A server
    // whose tools are not known may have any.
    let grants = snapshot.grants.iter();
    let mut servers: BTreeSet<&Name> = grants.flat_map(|it| servers_of(it, name)).collect();
    let mut strangers = BTreeSet::new();
    for server in here {
        servers.insert(server);
        let tools = tools_of(server);
        let is_stranger = checked.tools.iter().all(|tool| !tools.contains(&**tool));
        if !tools.is_empty() && is_stranger {
            strangers.insert(server);
        }
    }
    let known: Vec<BTreeSet<&str>> = servers.iter().map(|server| tools_of(server)).collect();
    let all: BTreeSet<&str> = known.iter().flatten().copied().collect();
    if known.iter().all(|tools| !tools.is_empty()) {
        let names: Vec<&str> = servers.iter().map(|server| server.as_str()).collect();
        let idle = checked.tools.iter().filter(|tool| !all.contains(&***tool));
        said.extend(idle.filter_map(|tool| {
            let near = did_you_mean(tool, all.iter().copied());
            // Said of all of them at once below.
            let is_of_many = near.is_empty() && strangers.len() == servers.len();
            (!is_of_many).then(|| {
                let servers = names.join(" or ");
                format!(
                    "the policy `{name}` names the tool `{tool}`, which {servers} does not have{near}"
                )
            })
        }));
    }
    let stranger = |server: &Name| {
        format!("none of the tools that the policy `{name}` names is one of {server}'s")
    };
    said.extend(strangers.into_iter().map(stranger));
    said
}

/// Where a grant has this policy, in force or tried.
fn servers_of<'a>(grant: &'a Grant, policy: &Name) -> impl Iterator<Item = &'a Name> {
    let in_force = grant.servers.iter();
    let in_force = in_force.filter_map(|(server, it)| Some((server, it.as_ref()?)));
    let all = in_force.chain(grant.shadows.iter());
    all.filter(move |(_, it)| *it == policy)
        .map(|(server, _)| server)
}
