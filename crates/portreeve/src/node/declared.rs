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
    pub(super) path: PathBuf,
    pub(super) config: Config,
    pub(super) environment: Environment,
    pub(super) office: Arc<Office>,
    pub(super) effects: Arc<Running>,
}

impl Watching {
    /// Reads the file again whenever it changes or the process is told to.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut watch = match Watch::new(self.config.files.clone()) {
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
            if let Some(config) = self.read() {
                watch.watch_instead(config.files.clone());
                self.apply(config).await;
            }
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

    async fn apply(&mut self, config: Config) {
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        match self
            .office
            .apply_declared(ACTOR, config.declared.clone())
            .await
        {
            Ok(changes) => {
                for change in &changes {
                    tracing::info!(%change, "in force");
                }
                // Credentials that are named may have changed behind their names.
                if changes.is_empty()
                    && let Err(error) = self.effects.take_into_force().await
                {
                    tracing::error!(%error, "what is in force was not built anew");
                }
            }
            Err(failure) => {
                tracing::error!("nothing was changed: {failure}");
                return;
            }
        }
        let settings = |config: &Config| Config {
            declared: Config::default().declared,
            files: Vec::new(),
            warnings: Vec::new(),
            ..config.clone()
        };
        if settings(&config) != settings(&self.config) {
            tracing::warn!("some settings of the gateway itself changed; restart it to use them");
        }
        self.config = config;
    }
}
