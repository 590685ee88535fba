//! The command `golem server`: runs a server until a signal stops it.

use crate::app::{self, Overrides, Server};
use crate::config::{Config, LogFormat, ServerArgs, ServerSettings};
use anyhow::Context;
use std::ffi::OsString;
use std::io::Write;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// After the shutdown of the server, blocking threads get this long to end.
const RUNTIME_SHUTDOWN_MAX: Duration = Duration::from_millis(500);

/// Runs a server in its own async runtime. Returns after SIGTERM or SIGINT, when the server has shut down. Fails if
/// another process has taken the data.
pub fn run(
    args: &ServerArgs,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    overrides: Overrides,
) -> anyhow::Result<()> {
    if args.settings {
        return Ok(std::io::stdout().lock().write_all(Config::default_toml().as_bytes())?);
    }
    let (config, warnings) = Config::load(args, environment)?;
    log_to_stderr(&config.server)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("golem")
        .build()
        .context("cannot start the threads of the server")?;
    let ended = runtime.block_on(async {
        // First, so that a signal during the start is not lost.
        let mut stop = StopSignals::new()?;
        let server = tokio::select! {
            started = app::start(config, overrides) => started?,
            () = stop.received() => return Ok(()),
        };
        print_ready_line(&server)?;
        let fenced = tokio::select! {
            () = stop.received() => false,
            () = server.executor().wait_until_fenced() => true,
        };
        tracing::info!("stopping; another signal stops at once");
        let data_dir = server.data_dir().to_owned();
        tokio::select! {
            () = server.shutdown() => tracing::info!("stopped"),
            () = stop.received() => tracing::warn!("stopped at once"),
        }
        anyhow::ensure!(
            !fenced,
            "another process has taken the data folder {}, so this server has stopped; nothing that it acknowledged is \
             lost. Make sure that only one server uses the folder, then start it again",
            data_dir.display()
        );
        Ok(())
    });
    // A component that is being compiled would delay the end of the process by seconds, and its result is no longer
    // needed.
    runtime.shutdown_timeout(RUNTIME_SHUTDOWN_MAX);
    ended
}

/// Prints the one line on standard output, for people and for programs that start servers.
fn print_ready_line(server: &Server) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "golem is ready on http://{}, token in {}",
        server.local_addr(),
        server.token_file().display()
    )
    .and_then(|()| out.flush())
    .context("cannot write to standard output that the server is ready")
}

/// Sends log lines to standard error. A second call in a process changes nothing.
fn log_to_stderr(settings: &ServerSettings) -> anyhow::Result<()> {
    // The parser's own error is longer and less specific than ours.
    let filter = EnvFilter::builder().parse(&settings.log).map_err(|_| {
        anyhow::anyhow!(
            "the setting `log` is {:?}; it must be a level (error, warn, info, debug, trace) or target=level, …",
            settings.log
        )
    })?;
    let lines = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter);
    let installed = match settings.log_format {
        LogFormat::Text => lines.with_ansi(false).try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    // A process has only one subscriber. If another one is installed already, it stays.
    drop(installed);
    Ok(())
}

/// The signals that stop a server.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
