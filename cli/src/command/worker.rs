//! The commands `worker …`.

mod connect;
mod invoke;
mod maintenance;

pub use invoke::{DataArgs, InvokeArgs, StdioArgs};
pub use maintenance::MaintenanceCommand;

use super::{Context, resolve};
use crate::args::{FailureArgs, TemplateArgs, WorkerArgs};
use crate::error::CliError;
use crate::output;
use clap::Subcommand;
use golem_api::client::InvokeOptions;
use golem_api::worker::{WorkerCreationRequest, WorkerListQuery};
use golem_model::FailureOptions;
use std::io::Write;

/// The subcommands of `worker`.
#[derive(Debug, Clone, Subcommand)]
pub enum WorkerCommand {
    /// Create a worker
    Add {
        /// The worker.
        #[command(flatten)]
        worker: WorkerArgs,
        /// Environment variable of the worker; can be repeated
        #[arg(long, short = 'e', value_name = "NAME=VALUE", value_parser = parse_variable)]
        env: Vec<(String, String)>,
        /// Options for failures of the worker. An option that is absent takes the template's value.
        #[command(flatten)]
        failures: Box<FailureArgs>,
        /// Command-line arguments of the worker
        #[arg(value_name = "ARGS", trailing_var_arg = true)]
        args: Vec<String>,
    },
    /// Create an invocation key, with which an invocation can be repeated safely
    InvocationKey {
        /// The worker.
        #[command(flatten)]
        worker: WorkerArgs,
    },
    /// Invoke a function, wait for it and print its result
    InvokeAndAwait {
        /// The worker.
        #[command(flatten)]
        worker: WorkerArgs,
        /// The function and its parameters.
        #[command(flatten)]
        invoke: InvokeArgs,
        /// Invocation key, for example of an earlier attempt [default: a new key]
        #[arg(long, short = 'k', value_name = "KEY")]
        invocation_key: Option<String>,
        /// The calling convention for parameters and result.
        #[command(flatten)]
        stdio: StdioArgs,
    },
    /// Enqueue an invocation of a function without waiting for its result
    Invoke {
        /// The worker.
        #[command(flatten)]
        worker: WorkerArgs,
        /// The function and its parameters.
        #[command(flatten)]
        invoke: InvokeArgs,
    },
    /// Follow the output of a worker until it is unloaded or the command is stopped
    Connect {
        /// The worker.
        #[command(flatten)]
        worker: WorkerArgs,
    },
    /// Interrupt a worker until it is resumed or invoked
    Interrupt {
        /// The worker.
        #[command(flatten)]
        worker: WorkerArgs,
    },
    /// Crash a worker on purpose; it recovers immediately
    SimulatedCrash {
        /// The worker.
        #[command(flatten)]
        worker: WorkerArgs,
    },
    /// Resume an interrupted worker
    Resume {
        /// The worker.
        #[command(flatten)]
        worker: WorkerArgs,
    },
    /// Discard the failed or interrupted invocation; the worker returns to its state before that invocation
    Recover {
        /// The worker.
        #[command(flatten)]
        worker: WorkerArgs,
    },
    /// Delete a worker with its state and oplog
    Delete {
        /// The worker.
        #[command(flatten)]
        worker: WorkerArgs,
    },
    /// Show the metadata and status of a worker
    Get {
        /// The worker.
        #[command(flatten)]
        worker: WorkerArgs,
    },
    /// List the workers of a template, ordered by name
    List {
        /// The template.
        #[command(flatten)]
        template: TemplateArgs,
        /// Condition on the workers, such as `status = Idle` or `name startswith cart-`; can be repeated
        #[arg(long, value_name = "CONDITION")]
        filter: Vec<String>,
        /// Cursor that the previous page returned
        #[arg(long, value_name = "CURSOR")]
        cursor: Option<String>,
        /// Largest number of workers to return [default: all]
        #[arg(long, value_name = "NUMBER")]
        count: Option<usize>,
    },
    /// Complete a promise of a worker; prints false if the promise is already complete
    Complete {
        /// The worker.
        #[command(flatten)]
        worker: WorkerArgs,
        /// Oplog index in the promise's id
        #[arg(long, value_name = "NUMBER")]
        oplog_idx: u64,
        /// The data of the completion.
        #[command(flatten)]
        data: DataArgs,
    },
    /// Commands about the oplog, the queue and updates of a worker.
    #[command(flatten)]
    Maintenance(MaintenanceCommand),
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
                // With `--count`, one page is printed; otherwise all pages.
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
            Self::Maintenance(command) => command.execute(context, out).await,
        }
    }
}

fn parse_variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a variable is written as NAME=VALUE".to_owned()),
    }
}
