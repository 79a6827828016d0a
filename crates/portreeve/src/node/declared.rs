//! The configuration file in force: applied at the start, and again when it changes.
//!
//! A file that cannot be read, or declares what cannot be, changes nothing: what was in force stays
//! in force, and the log says why.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use super::effects::Running;
use crate::admin::Office;
use crate::config::watch::{Reason, Watch};
use crate::config::{self, Config, Environment};

/// Who declared it, for the ledger.
pub(super) const ACTOR: &str = "configuration file";

/// What watching the file needs.
pub(super) struct Watching {
    path: PathBuf,
    /// As the file was when this process began: its settings are those it runs with.
    began_with: Config,
    environment: Environment,
    office: Arc<Office>,
    effects: Arc<Running>,
    /// The file as it is now is not in force.
    broken: bool,
    /// Settings of the file as it is now that are not those in use.
    waiting: Vec<&'static str>,
}

impl Watching {
    pub(super) fn new(
        (path, config): (PathBuf, Config),
        environment: Environment,
        office: Arc<Office>,
        effects: Arc<Running>,
    ) -> Self {
        Self {
            path,
            began_with: config,
            environment,
            office,
            effects,
            broken: false,
            waiting: Vec::new(),
        }
    }

    /// Reads the file again whenever it changes or the process is told to.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut watch = match Watch::new(self.began_with.files.clone()) {
            Ok(watch) => watch,
            Err(error) => {
                tracing::error!(%error, "the configuration file is not watched for changes");
                return;
            }
        };
        loop {
            let reason = tokio::select! {
                reason = watch.changed() => reason,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            match &reason {
                Reason::Signal => tracing::info!("told to read the configuration again"),
                Reason::Changed(path) => tracing::info!(path = %path.display(), "changed"),
            }
            let in_force = match self.read() {
                None => false,
                Some(config) => {
                    watch.watch_instead(config.files.clone());
                    self.apply(config).await
                }
            };
            if in_force && self.broken {
                tracing::info!("the configuration is sound again and in force");
            }
            self.broken = !in_force;
        }
    }

    fn read(&self) -> Option<Config> {
        match config::load(&self.path, &self.environment) {
            Ok(config) => Some(config),
            Err(error) => {
                tracing::error!(
                    "nothing was changed, because the configuration is not sound:\n{error}"
                );
                None
            }
        }
    }

    /// Puts what the file declares into force; `false` if it stays as it was.
    async fn apply(&mut self, config: Config) -> bool {
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        let waiting = differing(&self.began_with, &config);
        let applied = self.office.apply_declared(ACTOR, config.declared).await;
        match applied {
            Ok(changes) => {
                for change in &changes {
                    tracing::info!(%change, "in force");
                }
                // Credentials that are named may have changed behind their names.
                if changes.is_empty()
                    && let Err(error) = self.effects.take_into_force().await
                {
                    tracing::error!(%error, "what is in force was not built anew");
                    return false;
                }
            }
            Err(failure) => {
                tracing::error!("nothing was changed: {failure}");
                return false;
            }
        }
        if !waiting.is_empty() {
            tracing::warn!(
                "these settings of the file are not those in use; restart to use them: {}",
                waiting.join(", ")
            );
        } else if !self.waiting.is_empty() {
            tracing::info!("the settings of the file are again those in use");
        }
        self.waiting = waiting;
        true
    }
}

/// The settings that take a restart and are not the same in both.
fn differing(a: &Config, b: &Config) -> Vec<&'static str> {
    // Taken apart in full, so that no new setting is forgotten.
    let Config {
        listen,
        admin_listen,
        data_dir,
        public_url,
        max_body,
        allowed_hosts,
        allowed_origins,
        legacy_sse,
        ledger,
        declared: _,
        files: _,
        warnings: _,
        undeclared: _,
        declares: _,
    } = a;
    [
        ("listen", *listen != b.listen),
        ("admin_listen", *admin_listen != b.admin_listen),
        ("data_dir", *data_dir != b.data_dir),
        ("public_url", *public_url != b.public_url),
        ("max_body", *max_body != b.max_body),
        ("allowed_hosts", *allowed_hosts != b.allowed_hosts),
        ("allowed_origins", *allowed_origins != b.allowed_origins),
        ("[legacy]", *legacy_sse != b.legacy_sse),
        ("[ledger]", *ledger != b.ledger),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named() {
        let usual = Config::default();
        assert_eq!(differing(&usual, &usual.clone()), [""; 0]);
        let mut other = Config {
            max_body: 1,
            ..usual.clone()
        };
        other.ledger.retain_days = Some(3);
        assert_eq!(differing(&usual, &other), ["max_body", "[ledger]"]);
    }
}
