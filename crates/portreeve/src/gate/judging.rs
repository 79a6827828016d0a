//! Verdicts for pins: of what servers show, and of what an older judge has judged.

use std::collections::HashMap;
use std::mem;

use portreeve_risk::scan::Names;

use super::Gate;
use crate::name::Name;
use crate::store::model::{Definition, Judged, Pin, PinState, PinnedOpinion, Snapshot};
use crate::upstream::UpstreamError;
use crate::verdicts;

impl Gate {
    /// Definitions of a server with what is thought of them.
    pub(super) async fn judged(
        &self,
        server: &Name,
        definitions: Vec<Definition>,
    ) -> Result<Vec<Judged>, UpstreamError> {
        let (server, others) = (server.clone(), self.registry().names_beside(server));
        let judging = move || {
            let judged = |definition| verdicts::judged(definition, &server, &others);
            definitions.into_iter().map(judged).collect()
        };
        // A long list takes long.
        let judged = tokio::task::spawn_blocking(judging).await;
        judged.map_err(|_| UpstreamError::Unusable("its tools could not be judged".to_owned()))
    }

    /// Has pins judged that this judge has not seen. What cannot be kept holds all the same.
    pub(super) async fn judge_anew(&self, snapshot: &mut Snapshot) {
        let pins = mem::take(&mut snapshot.pins);
        let judging = tokio::task::spawn_blocking(move || judging_anew(pins)).await;
        let Ok((pins, opinions)) = judging else {
            // Without pins nothing is callable.
            tracing::error!("the tools of all servers could not be judged");
            return;
        };
        snapshot.pins = pins;
        if opinions.is_empty() {
            return;
        }
        if let Err(error) = self.store.put_opinions(opinions).await {
            tracing::warn!(%error, "what is thought of tools was not kept; it is thought again at the next change");
        }
    }
}

/// Pins with what this judge thinks of them, and what of that is new.
fn judging_anew(mut pins: Vec<Pin>) -> (Vec<Pin>, Vec<PinnedOpinion>) {
    let is_due = |pin: &Pin| pin.opinion.judge != Some(verdicts::JUDGE);
    let mut opinions = Vec::new();
    if !pins.iter().any(is_due) {
        return (pins, opinions);
    }
    let all: Vec<(Name, String)> = pins
        .iter()
        .map(|pin| (pin.server.clone(), pin.tool.clone()))
        .collect();
    let mut beside: HashMap<Name, Names> = HashMap::new();
    for pin in pins.iter_mut().filter(|pin| is_due(pin)) {
        let others = beside.entry(pin.server.clone()).or_insert_with(|| {
            let others = all.iter().filter(|(server, _)| *server != pin.server);
            Names::of(others.map(|(_, tool)| tool.as_str()))
        });
        let now = verdicts::opinion(&pin.definition, &pin.server, others);
        pin.opinion = match pin.state {
            // Nobody has accepted anything yet that could be kept to.
            PinState::New => now,
            PinState::Accepted | PinState::Changed { .. } => verdicts::tightened(&pin.opinion, now),
        };
        opinions.push(PinnedOpinion {
            server: pin.server.clone(),
            tool: pin.tool.clone(),
            hash: pin.hash.clone(),
            opinion: pin.opinion.clone(),
        });
    }
    (pins, opinions)
}
