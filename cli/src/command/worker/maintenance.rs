//! The commands `worker oplog`, `queue`, `update`, `withdraw-update`, `update-report` and
//! `cancel-invocation`.

use crate::args::WorkerArgs;
use crate::command::{Context, resolve};
use crate::error::CliError;
use crate::output;
use clap::Subcommand;
use golem_api::oplog::OplogQuery;
use golem_api::update::UpdateRequest;
use golem_model::IdempotencyKey;
use golem_model::oplog::UpdateMode;
use std::io::Write;

/// Commands about the oplog, the queue and updates of a worker.
#[derive(Debug, Clone, Subcommand)]
pub enum MaintenanceCommand {
    /// Show a page of the oplog of a worker, or one entry
    Oplog {
        /// The worker.
        #[command(flatten)]
        worker: WorkerArgs,
        /// First oplog index to show
        #[arg(long, value_name = "INDEX")]
        from: Option<u64>,
        /// Largest number of entries to show
        #[arg(long, value_name = "NUMBER")]
        count: Option<usize>,
        /// Show only entries that contain these words
        #[arg(long, value_name = "WORDS")]
        query: Option<String>,
        /// Show only the entry with this index, with all its values; a page shows long values by their length
        #[arg(long, value_name = "INDEX", conflicts_with_all = ["from", "count", "query"])]
        entry: Option<u64>,
    },
    /// Show the invocations of a worker that are running or waiting
    Queue {
        /// The worker.
        #[command(flatten)]
        worker: WorkerArgs,
    },
    /// Update a worker to another version of its template, as soon as no invocation is running. Replaces a pending update
    Update {
        /// The worker.
        #[command(flatten)]
        worker: WorkerArgs,
        /// `automatic`: the new version replays the oplog. `manual`: the old version saves its state, the new one loads
        #[arg(long, value_name = "MODE", default_value = "automatic", value_parser = parse_mode)]
        mode: UpdateMode,
        /// Version to update to
        #[arg(long, value_name = "VERSION")]
        target_version: u32,
    },
    /// Withdraw the pending update of a worker
    WithdrawUpdate {
        /// The worker.
        #[command(flatten)]
        worker: WorkerArgs,
    },
    /// Show the version of a worker and the outcome of its last update
    UpdateReport {
        /// The worker.
        #[command(flatten)]
        worker: WorkerArgs,
    },
    /// Cancel an invocation that has not begun
    CancelInvocation {
        /// The worker.
        #[command(flatten)]
        worker: WorkerArgs,
        /// Key of the invocation
        #[arg(long, short = 'k', value_name = "KEY", value_parser = parse_key)]
        invocation_key: IdempotencyKey,
    },
}

impl MaintenanceCommand {
    pub(super) async fn execute(
        self,
        context: &Context,
        out: &mut (impl Write + Send),
    ) -> Result<(), CliError> {
        let client = &context.client;
        match self {
            Self::Oplog { worker, entry: Some(index), .. } => {
                let worker = resolve::worker(context, worker).await?;
                output::print(out, context.format, &client.worker_oplog_entry(&worker, index).await?)
            }
            Self::Oplog { worker, from, count, query, entry: None } => {
                let worker = resolve::worker(context, worker).await?;
                let query = OplogQuery { from, count, query };
                output::print(out, context.format, &client.worker_oplog(&worker, &query).await?)
            }
            Self::Queue { worker } => {
                let worker = resolve::worker(context, worker).await?;
                output::print(out, context.format, &client.worker_queue(&worker).await?)
            }
            Self::Update { worker, mode, target_version } => {
                let worker = resolve::worker(context, worker).await?;
                client.worker_update(&worker, &UpdateRequest { mode, target_version }).await?;
                output::print(out, context.format, &client.worker_updates(&worker).await?)
            }
            Self::WithdrawUpdate { worker } => {
                let worker = resolve::worker(context, worker).await?;
                client.worker_withdraw_update(&worker).await?;
                output::print(out, context.format, &client.worker_updates(&worker).await?)
            }
            Self::UpdateReport { worker } => {
                let worker = resolve::worker(context, worker).await?;
                output::print(out, context.format, &client.worker_updates(&worker).await?)
            }
            Self::CancelInvocation { worker, invocation_key } => {
                let worker = resolve::worker(context, worker).await?;
                client.worker_cancel(&worker, &invocation_key).await?;
                output::print(out, context.format, &"Cancelled")
            }
        }
    }
}

fn parse_key(text: &str) -> Result<IdempotencyKey, String> {
    IdempotencyKey::new(text).map_err(|error| error.to_string())
}

fn parse_mode(text: &str) -> Result<UpdateMode, String> {
    match text {
        "automatic" => Ok(UpdateMode::Automatic),
        "manual" => Ok(UpdateMode::Manual),
        _ => Err("the mode is `automatic` or `manual`".to_owned()),
    }
}
