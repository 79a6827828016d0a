//! The vendors' HTTP endpoints as far as the demo emulates them, and the way a path finds one.
//!
//! Some real servers splice an argument into a path without encoding it. The demo does the same,
//! against these few endpoints inside the engine only: nothing leaves the process.

use super::model::RunId;

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    Workflow(RunId),
    RerunWorkflow(RunId),
    /// `gh/acme/shop`
    Project(String),
    RetryRun(RunId),
    ReplayRun(RunId),
    CancelRun(RunId),
}

/// Resolves a path as a URL parser does: query and fragment go, dot segments are walked.
pub fn resolve(path: &str) -> Option<Endpoint> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let segments = walk(path);
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        ["api", "v2", "workflow", id] => Some(Endpoint::Workflow(RunId::new(*id))),
        ["api", "v2", "workflow", id, "rerun"] => Some(Endpoint::RerunWorkflow(RunId::new(*id))),
        ["api", "v2", "project", vcs, org, repo] => {
            Some(Endpoint::Project(format!("{vcs}/{org}/{repo}")))
        }
        ["v1", "runs", id, "retry"] => Some(Endpoint::RetryRun(RunId::new(*id))),
        ["v1", "runs", id, "replay"] => Some(Endpoint::ReplayRun(RunId::new(*id))),
        ["v1", "runs", id, "cancel"] => Some(Endpoint::CancelRun(RunId::new(*id))),
        _ => None,
    }
}

fn walk(path: &str) -> Vec<String> {
    let mut walked: Vec<String> = Vec::new();
    for segment in path.split(['/', '\\']) {
        match segment.to_ascii_lowercase().replace("%2e", ".").as_str() {
            "" | "." => {}
            ".." => {
                walked.pop();
            }
            _ => walked.push(segment.to_owned()),
        }
    }
    walked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spliced_argument_reaches_another_endpoint() {
        let id = RunId::new("f0");
        let cases = [
            ("/v1/runs/f0/retry", Endpoint::RetryRun(id.clone())),
            ("/v1/runs/f0/replay#/retry", Endpoint::ReplayRun(id.clone())),
            ("/v1/runs/f0/cancel?/retry", Endpoint::CancelRun(id.clone())),
            ("/api/v2/workflow/f0", Endpoint::Workflow(id.clone())),
            (
                "/api/v2/workflow/../project/gh/acme/shop",
                Endpoint::Project("gh/acme/shop".into()),
            ),
            (
                "/api/v2/workflow/%2E%2e/project/gh/acme/shop",
                Endpoint::Project("gh/acme/shop".into()),
            ),
            (
                "/api/v2/workflow/x/../f0/rerun",
                Endpoint::RerunWorkflow(id),
            ),
        ];
        for (path, endpoint) in cases {
            assert_eq!(resolve(path), Some(endpoint), "{path}");
        }
        for nowhere in [
            "",
            "/v1/runs/f0",
            "/v1/runs/f0/retry/x",
            "/../../etc/passwd",
        ] {
            assert_eq!(resolve(nowhere), None, "{nowhere}");
        }
    }
}
