//! `portreeve ledger …`

use clap::Subcommand;

use super::{DataDirArg, Done, FormatArg};
use crate::admin::Failure;

#[derive(Debug, Subcommand)]
pub(super) enum Ledger {
    /// Show the newest records
    Tail {
        #[command(flatten)]
        dir: DataDirArg,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Find records
    Query {
        #[command(flatten)]
        dir: DataDirArg,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Check the chain, the signatures and the anchors
    Verify {
        #[command(flatten)]
        dir: DataDirArg,
        #[command(flatten)]
        format: FormatArg,
    },
    /// Write all records
    Export {
        #[command(flatten)]
        dir: DataDirArg,
    },
}

impl Ledger {
    pub(super) fn run(self) -> Done {
        drop(self);
        Err(Failure::cannot(
            "reading the ledger is not part of this build",
            "",
        ))
    }
}
