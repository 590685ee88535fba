//! What a worker did, what waits for it, and changing that.

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

/// Commands about the life of a worker.
#[derive(Debug, Clone, Subcommand)]
pub enum LifecycleCommand {
    /// Show what a worker did: a page of its oplog
    Oplog {
        /// Which worker.
        #[command(flatten)]
        worker: WorkerArgs,
        /// The first index to show
        #[arg(long, value_name = "INDEX")]
        from: Option<u64>,
        /// Entries to show, at most
        #[arg(long, value_name = "NUMBER")]
        count: Option<usize>,
        /// Words that an entry must have
        #[arg(long, value_name = "WORDS")]
        query: Option<String>,
    },
    /// Show the invocations of a worker that have not ended
    Queue {
        /// Which worker.
        #[command(flatten)]
        worker: WorkerArgs,
    },
    /// Move a worker to another version of its template, once no invocation runs
    Update {
        /// Which worker.
        #[command(flatten)]
        worker: WorkerArgs,
        /// `automatic`: the new version replays what is recorded. `manual`: the old one saves, the new one loads
        #[arg(long, value_name = "MODE", default_value = "automatic", value_parser = parse_mode)]
        mode: UpdateMode,
        /// The version
        #[arg(long, value_name = "VERSION")]
        target_version: u32,
    },
    /// Show the version of a worker and what came of its last update
    UpdateReport {
        /// Which worker.
        #[command(flatten)]
        worker: WorkerArgs,
    },
    /// Take an invocation that has not begun out of the queue
    CancelInvocation {
        /// Which worker.
        #[command(flatten)]
        worker: WorkerArgs,
        /// The invocation's key
        #[arg(long, short = 'k', value_name = "KEY", value_parser = parse_key)]
        invocation_key: IdempotencyKey,
    },
}

impl LifecycleCommand {
    pub(super) async fn execute(
        self,
        context: &Context,
        out: &mut (impl Write + Send),
    ) -> Result<(), CliError> {
        let client = &context.client;
        match self {
            Self::Oplog { worker, from, count, query } => {
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
        _ => Err("write automatic or manual".to_owned()),
    }
}
