//! What the server counts, and how `/metrics` says it (Prometheus text format).

use crate::executor::ExecutorMetrics;
use crate::http::HttpCounters;
use std::fmt::{Display, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Everything that is counted.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Connections.
    pub http: Arc<HttpCounters>,
    /// Workers and commits.
    pub executor: Arc<ExecutorMetrics>,
    /// How long callers waited for the results of invocations.
    pub awaited: Histogram,
    /// Callers that stopped waiting because of the limit.
    pub awaited_timeouts: AtomicU64,
    /// Responses by the first digit of their status, from 1.
    responses: [AtomicU64; 5],
}

/// Numbers read at the moment of asking.
#[derive(Debug, Clone, Copy, Default)]
pub struct Readings {
    /// Syncs of the log.
    pub store_syncs: u64,
    /// Workers, if the store could say.
    pub workers: Option<u64>,
    /// Templates.
    pub templates: usize,
    /// Versions of templates.
    pub template_versions: usize,
    /// Since the start.
    pub uptime: Duration,
}

/// Upper bounds of the histogram's buckets, in microseconds.
const BUCKETS_MICROS: [u64; 14] = [
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    1_000_000,
    5_000_000,
    30_000_000,
    300_000_000,
];

/// Durations, by how long they were.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS_MICROS.len()],
    count: AtomicU64,
    sum_micros: AtomicU64,
}

impl Histogram {
    /// Counts one.
    pub fn observe(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        if let Some(at) = BUCKETS_MICROS.iter().position(|bound| micros <= *bound) {
            self.buckets[at].fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
    }
}

impl Metrics {
    /// Counts a response.
    pub fn responded(&self, status: http::StatusCode) {
        if let Some(counter) = self.responses.get(usize::from(status.as_u16() / 100).wrapping_sub(1)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The page at `/metrics`.
    pub fn page(&self, readings: Readings) -> String {
        let mut page = Page(String::with_capacity(4096));
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        page.head("golem_http_responses_total", "counter", "Responses by class of status");
        for (class, counter) in (1..).zip(&self.responses) {
            page.line("golem_http_responses_total", Some(("class", format!("{class}xx"))), read(counter));
        }
        let (http, executor) = (&self.http, &self.executor);
        page.counter("golem_http_connections_total", "Connections accepted", read(&http.accepted));
        page.counter(
            "golem_http_connections_refused_total",
            "Connections turned away at the limit",
            read(&http.refused),
        );
        page.gauge("golem_http_connections", "Connections open now", read(&http.open));
        page.counter("golem_invocations_total", "Invocations that ended", read(&executor.invocations));
        page.counter(
            "golem_invocations_failed_total",
            "Invocations that failed",
            read(&executor.invocations_failed),
        );
        page.counter(
            "golem_invocations_repeated_total",
            "Requests that joined an invocation or were answered from a recorded outcome",
            read(&executor.invocations_repeated),
        );
        page.histogram("golem_invocation_wait_seconds", "How long callers waited for results", &self.awaited);
        page.counter(
            "golem_invocation_wait_timeouts_total",
            "Callers that stopped waiting at the limit",
            read(&self.awaited_timeouts),
        );
        page.counter("golem_store_commits_total", "Commits of the log", read(&executor.commits));
        page.counter(
            "golem_store_commits_failed_total",
            "Commits that failed",
            read(&executor.commits_failed),
        );
        page.counter("golem_store_rows_total", "Rows of the log committed", read(&executor.rows));
        page.counter(
            "golem_store_commit_seconds_total",
            "Time spent in commits",
            Duration::from_nanos(read(&executor.commit_nanos)).as_secs_f64(),
        );
        page.counter("golem_store_syncs_total", "Syncs of the log to the disk", readings.store_syncs);
        page.counter(
            "golem_worker_activations_total",
            "Times a worker was loaded into memory",
            read(&executor.activations),
        );
        page.counter(
            "golem_entries_replayed_total",
            "Oplog entries replayed at that",
            read(&executor.entries_replayed),
        );
        page.counter("golem_worker_parks_total", "Times a worker left memory to wait", read(&executor.parks));
        page.gauge("golem_workers_resident", "Workers in memory", executor.residents.load(Ordering::Relaxed));
        page.gauge(
            "golem_worker_heads_cached",
            "Workers whose heads are in memory",
            executor.heads_cached.load(Ordering::Relaxed),
        );
        if let Some(workers) = readings.workers {
            page.gauge("golem_workers", "Workers that exist, a little behind the log", workers);
        }
        page.gauge("golem_templates", "Templates", readings.templates);
        page.gauge("golem_template_versions", "Versions of templates", readings.template_versions);
        page.gauge("golem_uptime_seconds", "Time since the start", readings.uptime.as_secs_f64());
        page.0
    }
}

/// The page being written.
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}").expect("a String takes everything");
    }

    fn line(&mut self, name: &str, label: Option<(&str, String)>, value: impl Display) {
        match label {
            Some((label, text)) => writeln!(self.0, "{name}{{{label}=\"{text}\"}} {value}"),
            None => writeln!(self.0, "{name} {value}"),
        }
        .expect("a String takes everything");
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, "counter", help);
        self.line(name, None, value);
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, "gauge", help);
        self.line(name, None, value);
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.head(name, "histogram", help);
        // The count is read last: a bucket must not hold more than it, and who observes adds to it last.
        let mut below = 0;
        for (bound, bucket) in BUCKETS_MICROS.iter().zip(&histogram.buckets) {
            below += bucket.load(Ordering::Relaxed);
            let bound = Duration::from_micros(*bound).as_secs_f64();
            self.line(&format!("{name}_bucket"), Some(("le", bound.to_string())), below);
        }
        let count = histogram.count.load(Ordering::Relaxed).max(below);
        self.line(&format!("{name}_bucket"), Some(("le", "+Inf".to_owned())), count);
        let sum = Duration::from_micros(histogram.sum_micros.load(Ordering::Relaxed)).as_secs_f64();
        self.line(&format!("{name}_sum"), None, sum);
        self.line(&format!("{name}_count"), None, count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_what_was_counted() {
        let metrics = Metrics::default();
        metrics.responded(http::StatusCode::OK);
        metrics.responded(http::StatusCode::NOT_FOUND);
        metrics.awaited.observe(Duration::from_millis(2));
        metrics.awaited.observe(Duration::from_secs(1_000));
        let page = metrics.page(Readings { store_syncs: 7, workers: Some(3), ..Readings::default() });
        for line in [
            "golem_http_responses_total{class=\"2xx\"} 1",
            "golem_http_responses_total{class=\"4xx\"} 1",
            "golem_invocation_wait_seconds_bucket{le=\"0.001\"} 0",
            "golem_invocation_wait_seconds_bucket{le=\"0.0025\"} 1",
            "golem_invocation_wait_seconds_bucket{le=\"+Inf\"} 2",
            "golem_invocation_wait_seconds_count 2",
            "golem_invocation_wait_seconds_sum 1000.002",
            "golem_store_syncs_total 7",
            "golem_workers 3",
            "# TYPE golem_workers gauge",
        ] {
            assert!(page.lines().any(|l| l == line), "{line} should be in\n{page}");
        }
    }
}
