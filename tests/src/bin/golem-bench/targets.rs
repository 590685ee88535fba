//! Target values for an idle machine with two cores and a raw fdatasync of about 0.16 ms.

use crate::load::Load;
use std::fmt;
use std::time::Duration;

/// Largest time of a call beyond that of the disk, with one client.
const ONE_CLIENT_ABOVE_DISK: Duration = Duration::from_micros(400);
/// Calls per second with 32 clients.
const RATE_32: f64 = 8_000.0;
/// 99th percentile of the call time with 32 clients.
const P99_32: Duration = Duration::from_millis(10);
/// Ratio of the rate with 32 clients to that with one client: the gain of group commit.
const GROUP_COMMIT_SPEEDUP: f64 = 6.0;
/// Ratio of the rate with 32 clients to that of an empty handler.
const SHARE_OF_EMPTY_HANDLER: f64 = 0.25;
/// Calls per second with 256 clients.
const RATE_256: f64 = 12_000.0;
/// Largest share of calls that take as long as a delayed TCP acknowledgement.
const DELAYED_ACK_SHARE_MAX: f64 = 0.001;
/// Commits per second of one call that records entries all the time: its progress is due every 50 ms.
const LONG_CALL_COMMITS: f64 = 25.0;
/// Memory of each worker beyond the first thousand, in bytes: a projection, not an instance.
const BYTES_PER_WORKER: f64 = 20_000.0;

/// The measured values that are compared with the targets.
#[derive(Debug, Default)]
pub(crate) struct Targets {
    /// Median time of a raw write and sync.
    pub(crate) disk: Option<Duration>,
    /// Rate of an empty handler, by number of clients.
    pub(crate) empty: Vec<(usize, f64)>,
    /// Durable calls, by number of clients.
    pub(crate) calls: Vec<CallRates>,
    /// Commits per second of one long call.
    pub(crate) long_call_commits: Option<f64>,
    /// Resident bytes, by number of workers.
    pub(crate) resident: Vec<(u64, u64)>,
}

/// Measurements of durable calls with one number of clients.
#[derive(Debug)]
pub(crate) struct CallRates {
    clients: usize,
    rate: f64,
    p50: Duration,
    p99: Duration,
    delayed_ack_share: f64,
}

impl CallRates {
    pub(crate) fn of(clients: usize, load: &Load) -> Self {
        Self {
            clients,
            rate: load.rate(),
            p50: load.quantile(0.5),
            p99: load.quantile(0.99),
            delayed_ack_share: load.delayed_ack_calls() as f64 / load.calls.max(1) as f64,
        }
    }
}

impl Targets {
    fn call(&self, clients: usize) -> Option<&CallRates> {
        self.calls.iter().find(|call| call.clients == clients)
    }

    fn all(&self) -> Option<Vec<(bool, String)>> {
        let (one, many, most) = (self.call(1)?, self.call(32)?, self.call(256)?);
        let empty = self.empty.iter().find(|(clients, _)| *clients == 32)?.1;
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        let disk = self.disk?;
        let mut targets = vec![
            (
                one.p50 <= disk + ONE_CLIENT_ABOVE_DISK,
                format!(
                    "1 client: p50 {:.3} ms, at most raw sync {:.3} + {:.1} ms",
                    ms(one.p50),
                    ms(disk),
                    ms(ONE_CLIENT_ABOVE_DISK)
                ),
            ),
            (many.rate >= RATE_32, format!("32 clients: {:.0}/s, at least {RATE_32:.0}/s", many.rate)),
            (
                many.p99 < P99_32,
                format!("32 clients: p99 {:.2} ms, under {:.0} ms", ms(many.p99), ms(P99_32)),
            ),
            (
                many.rate >= GROUP_COMMIT_SPEEDUP * one.rate,
                format!(
                    "32 clients: {:.1} times one client, at least {GROUP_COMMIT_SPEEDUP:.0}",
                    many.rate / one.rate
                ),
            ),
            (
                many.rate >= SHARE_OF_EMPTY_HANDLER * empty,
                format!(
                    "32 clients: {:.0} % of the empty handler, at least {:.0} %",
                    many.rate * 100.0 / empty,
                    SHARE_OF_EMPTY_HANDLER * 100.0
                ),
            ),
            (most.rate >= RATE_256, format!("256 clients: {:.0}/s, at least {RATE_256:.0}/s", most.rate)),
        ];
        let delayed_ack_share = self.calls.iter().map(|call| call.delayed_ack_share).fold(0.0, f64::max);
        targets.push((
            delayed_ack_share <= DELAYED_ACK_SHARE_MAX,
            format!(
                "bump of calls near 40 ms: {:.3} %, at most {:.1} %",
                delayed_ack_share * 100.0,
                DELAYED_ACK_SHARE_MAX * 100.0
            ),
        ));
        if let Some(commits) = self.long_call_commits {
            targets.push((
                commits <= LONG_CALL_COMMITS,
                format!("one long call: {commits:.0} commits/s, at most {LONG_CALL_COMMITS:.0}/s"),
            ));
        }
        if let [(few, little), .., (many, much)] = self.resident[..]
            && many > few
        {
            let each = (much as f64 - little as f64) / (many - few) as f64;
            targets.push((
                each <= BYTES_PER_WORKER,
                format!("one more worker: {each:.0} bytes resident, at most {BYTES_PER_WORKER:.0}"),
            ));
        }
        Some(targets)
    }
}

impl fmt::Display for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (met, text) in self.all().into_iter().flatten() {
            writeln!(f, "  {:<7}{text}", if met { "ok" } else { "MISSED" })?;
        }
        Ok(())
    }
}
