//! `worker …`

mod connect;
mod invoke;
mod lifecycle;

pub use invoke::{DataArgs, InvokeArgs, StdioArgs};
pub use lifecycle::LifecycleCommand;

use super::{Context, resolve};
use crate::args::{FailureArgs, TemplateArgs, WorkerArgs};
use crate::error::CliError;
use crate::output;
use clap::Subcommand;
use golem_api::client::InvokeOptions;
use golem_api::worker::{WorkerCreationRequest, WorkerListQuery};
use golem_model::FailureOptions;
use std::io::Write;

/// What can be done with workers.
#[derive(Debug, Clone, Subcommand)]
pub enum WorkerCommand {
    /// Create a worker
    Add {
        /// Which worker.
        #[command(flatten)]
        worker: WorkerArgs,
        /// An environment variable of the worker; can be repeated
        #[arg(long, short = 'e', value_name = "NAME=VALUE", value_parser = parse_variable)]
        env: Vec<(String, String)>,
        /// What becomes of its failures; as for the template if nothing is said.
        #[command(flatten)]
        failures: Box<FailureArgs>,
        /// Arguments of the worker
        #[arg(value_name = "ARGS", trailing_var_arg = true)]
        args: Vec<String>,
    },
    /// Make a key that names one invocation, so that it can be repeated safely
    InvocationKey {
        /// Which worker.
        #[command(flatten)]
        worker: WorkerArgs,
    },
    /// Call a function and print what it returns
    InvokeAndAwait {
        /// Which worker.
        #[command(flatten)]
        worker: WorkerArgs,
        /// Which function, with what.
        #[command(flatten)]
        invoke: InvokeArgs,
        /// The key of an earlier attempt; a new one is made if it is missing
        #[arg(long, short = 'k', value_name = "KEY")]
        invocation_key: Option<String>,
        /// How parameters and result travel.
        #[command(flatten)]
        stdio: StdioArgs,
    },
    /// Have a function called, without waiting for it
    Invoke {
        /// Which worker.
        #[command(flatten)]
        worker: WorkerArgs,
        /// Which function, with what.
        #[command(flatten)]
        invoke: InvokeArgs,
    },
    /// Print what a worker prints, until it is unloaded or you stop
    Connect {
        /// Which worker.
        #[command(flatten)]
        worker: WorkerArgs,
    },
    /// Stop a worker until it is resumed or invoked
    Interrupt {
        /// Which worker.
        #[command(flatten)]
        worker: WorkerArgs,
    },
    /// Crash a worker; it is recovered at once
    SimulatedCrash {
        /// Which worker.
        #[command(flatten)]
        worker: WorkerArgs,
    },
    /// Let an interrupted worker go on
    Resume {
        /// Which worker.
        #[command(flatten)]
        worker: WorkerArgs,
    },
    /// Discard the invocation that failed or was stopped: the worker is what it was before it
    Recover {
        /// Which worker.
        #[command(flatten)]
        worker: WorkerArgs,
    },
    /// Remove a worker with all that it knows
    Delete {
        /// Which worker.
        #[command(flatten)]
        worker: WorkerArgs,
    },
    /// Show what a worker is and does
    Get {
        /// Which worker.
        #[command(flatten)]
        worker: WorkerArgs,
    },
    /// List a template's workers in the order of their names
    List {
        /// Which template.
        #[command(flatten)]
        template: TemplateArgs,
        /// Only those that match, as `status = Idle` or `name startswith cart-`; can be repeated
        #[arg(long, value_name = "CONDITION")]
        filter: Vec<String>,
        /// Where the page before ended
        #[arg(long, value_name = "CURSOR")]
        cursor: Option<String>,
        /// How many, at most; the whole list if it is not said
        #[arg(long, value_name = "NUMBER")]
        count: Option<usize>,
    },
    /// Complete a promise of a worker; prints false if it was completed before
    Complete {
        /// Which worker.
        #[command(flatten)]
        worker: WorkerArgs,
        /// The promise's position in the worker's oplog, which is part of its id
        #[arg(long, value_name = "NUMBER")]
        oplog_idx: u64,
        /// What to complete it with.
        #[command(flatten)]
        data: DataArgs,
    },
    /// The life of a worker.
    #[command(flatten)]
    Lifecycle(LifecycleCommand),
}

impl WorkerCommand {
    pub(super) async fn execute(
        self,
        context: &Context,
        out: &mut (impl Write + Send),
    ) -> Result<(), CliError> {
        let client = &context.client;
        match self {
            Self::Add { worker, env, failures, args } => {
                let FailureOptions { retry_policy, on_failure } = failures.options()?;
                let template = resolve::template(context, &worker.template).await?;
                let name = worker.worker_name.into();
                let request = WorkerCreationRequest { name, args, env, retry_policy, on_failure };
                output::print(out, context.format, &client.worker_create(template, &request).await?)
            }
            Self::InvocationKey { worker } => {
                let worker = resolve::worker(context, worker).await?;
                output::print(out, context.format, &client.worker_key(&worker).await?.0)
            }
            Self::InvokeAndAwait { worker, invoke, invocation_key, stdio } => {
                let params = invoke.params()?;
                let worker = resolve::worker(context, worker).await?;
                let result = invoke::invoke_and_await(
                    client,
                    &worker,
                    &invoke.function,
                    &params,
                    invocation_key,
                    stdio,
                )
                .await?;
                output::print(out, context.format, &result)
            }
            Self::Invoke { worker, invoke } => {
                let params = invoke.params()?;
                let worker = resolve::worker(context, worker).await?;
                client.worker_invoke(&worker, &invoke.function, &params, &InvokeOptions::default()).await?;
                output::print(out, context.format, &"Invoked")
            }
            Self::Connect { worker } => {
                let worker = resolve::worker(context, worker).await?;
                connect::connect(context, &worker, out).await
            }
            Self::Interrupt { worker } => {
                client.worker_interrupt(&resolve::worker(context, worker).await?, false).await?;
                output::print(out, context.format, &"Interrupted")
            }
            Self::SimulatedCrash { worker } => {
                client.worker_interrupt(&resolve::worker(context, worker).await?, true).await?;
                output::print(out, context.format, &"Done")
            }
            Self::Resume { worker } => {
                client.worker_resume(&resolve::worker(context, worker).await?).await?;
                output::print(out, context.format, &"Resumed")
            }
            Self::Recover { worker } => {
                client.worker_recover(&resolve::worker(context, worker).await?).await?;
                output::print(out, context.format, &"Recovered")
            }
            Self::Delete { worker } => {
                client.worker_delete(&resolve::worker(context, worker).await?).await?;
                output::print(out, context.format, &"Deleted")
            }
            Self::Get { worker } => {
                let worker = resolve::worker(context, worker).await?;
                output::print(out, context.format, &client.worker_get(&worker).await?)
            }
            Self::List { template, filter, cursor, count } => {
                let template = resolve::template(context, &template).await?;
                let mut query = WorkerListQuery { filters: filter, cursor, count };
                let mut list = client.worker_list(template, &query).await?;
                // All pages, unless one was asked for.
                while count.is_none() && list.cursor.is_some() {
                    query.cursor = list.cursor.take();
                    let mut page = client.worker_list(template, &query).await?;
                    list.workers.append(&mut page.workers);
                    list.cursor = page.cursor;
                }
                output::print(out, context.format, &list)
            }
            Self::Complete { worker, oplog_idx, data } => {
                let data = data.bytes()?;
                let worker = resolve::worker(context, worker).await?;
                output::print(out, context.format, &client.worker_complete(&worker, oplog_idx, data).await?)
            }
            Self::Lifecycle(command) => command.execute(context, out).await,
        }
    }
}

fn parse_variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}
