//! The server's counters and gauges, and the page at `/metrics` that shows them.
//!
//! Counters are atomics, so counting is cheap. The library `prometheus-client` renders the page for each request.

use crate::executor::ExecutorMetrics;
use crate::http::HttpCounters;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, NoLabelSet, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// All counters of the server.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Counters of connections.
    pub http: Arc<HttpCounters>,
    /// Counters of workers and commits.
    pub executor: Arc<ExecutorMetrics>,
    /// How long callers waited for results of invocations.
    pub invocation_waits: Histogram,
    /// Callers that stopped waiting because of the time limit.
    pub invocation_wait_timeouts: AtomicU64,
    /// Number of responses by status class: index 0 is 1xx, index 4 is 5xx.
    responses: [AtomicU64; 5],
}

/// Values that are read when the page is rendered.
#[derive(Debug, Clone, Copy, Default)]
pub struct MetricsSample {
    /// Syncs of the log so far.
    pub store_syncs: u64,
    /// Number of answers that wait for a commit.
    pub answers_waiting: usize,
    /// Number of workers that are to be woken and are not in memory yet.
    pub wakes_waiting: usize,
    /// Number of workers; `None` if the store could not be read.
    pub workers: Option<u64>,
    /// Number of templates.
    pub templates: usize,
    /// Number of template versions.
    pub template_versions: usize,
    /// Time since the start.
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

/// A histogram of durations.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS_MICROS.len()],
    count: AtomicU64,
    sum_micros: AtomicU64,
}

impl Histogram {
    /// Counts one duration.
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
    pub fn count_response(&self, status: http::StatusCode) {
        if let Some(counter) = self.responses.get(usize::from(status.as_u16() / 100).wrapping_sub(1)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Renders the page at `/metrics` in the OpenMetrics text format.
    pub fn render(self: &Arc<Self>, sample: MetricsSample) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(MetricsCollector { metrics: self.clone(), sample }));
        let mut page = String::with_capacity(4096);
        text::encode(&mut page, &registry).expect("writing to a String cannot fail");
        page
    }
}

/// Encodes the counters together with one sample of the other values.
#[derive(Debug)]
struct MetricsCollector {
    metrics: Arc<Metrics>,
    sample: MetricsSample,
}

impl Collector for MetricsCollector {
    fn encode(&self, mut out: DescriptorEncoder<'_>) -> fmt::Result {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (http, executor, sample) = (&self.metrics.http, &self.metrics.executor, &self.sample);
        encode_responses(&mut out, &self.metrics.responses)?;
        // The format adds `_total` to the names of counters.
        let counters = [
            ("golem_http_connections", "Connections accepted", read(&http.accepted)),
            (
                "golem_http_connections_refused",
                "Connections refused because the limit was reached",
                read(&http.refused),
            ),
            ("golem_invocations", "Invocations that ended", read(&executor.invocations)),
            ("golem_invocations_failed", "Invocations that failed", read(&executor.invocations_failed)),
            (
                "golem_invocations_repeated",
                "Requests that joined an invocation or were answered from a recorded outcome",
                read(&executor.invocations_repeated),
            ),
            (
                "golem_invocation_wait_timeouts",
                "Callers that stopped waiting because of the time limit",
                read(&self.metrics.invocation_wait_timeouts),
            ),
            ("golem_store_commits", "Commits of the log", read(&executor.commits)),
            ("golem_store_commits_failed", "Commits that failed", read(&executor.commits_failed)),
            (
                "golem_panics",
                "Panics that were contained; each is a defect of the server",
                read(&executor.panics),
            ),
            ("golem_store_rows", "Rows of the log committed", read(&executor.rows)),
            ("golem_store_syncs", "Syncs of the log to the disk", sample.store_syncs),
            (
                "golem_worker_activations",
                "Times a worker was loaded into memory",
                read(&executor.activations),
            ),
            (
                "golem_entries_replayed",
                "Oplog entries replayed while workers were loaded",
                read(&executor.entries_replayed),
            ),
            (
                "golem_worker_snapshots",
                "Snapshots taken by the guest's save function",
                read(&executor.snapshots),
            ),
            (
                "golem_worker_snapshots_loaded",
                "Times a worker was loaded from a snapshot",
                read(&executor.snapshots_loaded),
            ),
            (
                "golem_worker_updates",
                "Updates of workers to another version of their template",
                read(&executor.updates),
            ),
            ("golem_worker_parks", "Times a worker left memory while it waited", read(&executor.parks)),
        ];
        for (name, help, value) in counters {
            counter(&mut out, name, help, &value)?;
        }
        let commit_seconds = Duration::from_nanos(read(&executor.commit_nanos)).as_secs_f64();
        counter(&mut out, "golem_store_commit_seconds", "Time spent in commits", &commit_seconds)?;
        let gauges = [
            ("golem_http_connections_open", "Connections open now", gauge_value(read(&http.open))),
            ("golem_workers_resident", "Workers in memory", executor.residents.load(Ordering::Relaxed)),
            (
                "golem_worker_heads_cached",
                "Workers whose projection is in memory",
                executor.heads_cached.load(Ordering::Relaxed),
            ),
            (
                "golem_answers_waiting",
                "Answers that wait for a commit",
                gauge_value(sample.answers_waiting as u64),
            ),
            (
                "golem_workers_to_wake",
                "Workers that are to be woken and are not in memory yet",
                gauge_value(sample.wakes_waiting as u64),
            ),
            ("golem_templates", "Templates", gauge_value(sample.templates as u64)),
            (
                "golem_template_versions",
                "Versions of templates",
                gauge_value(sample.template_versions as u64),
            ),
        ];
        for (name, help, value) in gauges {
            gauge(&mut out, name, help, &value)?;
        }
        if let Some(workers) = sample.workers {
            gauge(
                &mut out,
                "golem_workers",
                "Workers that exist; the number may lag behind the log",
                &gauge_value(workers),
            )?;
        }
        gauge(&mut out, "golem_uptime_seconds", "Time since the start", &sample.uptime.as_secs_f64())?;
        encode_waits(&mut out, &self.metrics.invocation_waits)
    }
}

/// Converts a gauge's number to the library's type.
fn gauge_value(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn counter(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: &impl EncodeCounterValue,
) -> fmt::Result {
    let mut metric = out.encode_descriptor(name, help, None, MetricType::Counter)?;
    metric.encode_counter::<NoLabelSet, _, u64>(value, None)
}

fn gauge(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: &impl EncodeGaugeValue,
) -> fmt::Result {
    out.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(value)
}

fn encode_responses(out: &mut DescriptorEncoder<'_>, responses: &[AtomicU64; 5]) -> fmt::Result {
    let help = "Responses by status class";
    let mut metric = out.encode_descriptor("golem_http_responses", help, None, MetricType::Counter)?;
    for (class, counter) in (1..).zip(responses) {
        let labels = [("class", format!("{class}xx"))];
        let count = counter.load(Ordering::Relaxed);
        metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
    }
    Ok(())
}

fn encode_waits(out: &mut DescriptorEncoder<'_>, histogram: &Histogram) -> fmt::Result {
    // The count is read after the buckets, and `observe` increments it after the bucket. So a bucket never exceeds it.
    let mut buckets: Vec<(f64, u64)> = BUCKETS_MICROS
        .iter()
        .zip(&histogram.buckets)
        .map(|(bound, bucket)| (Duration::from_micros(*bound).as_secs_f64(), bucket.load(Ordering::Relaxed)))
        .collect();
    let bounded: u64 = buckets.iter().map(|(_, count)| count).sum();
    let count = histogram.count.load(Ordering::Relaxed).max(bounded);
    buckets.push((f64::MAX, count - bounded));
    let sum = Duration::from_micros(histogram.sum_micros.load(Ordering::Relaxed)).as_secs_f64();
    let help = "How long callers waited for results";
    let mut metric =
        out.encode_descriptor("golem_invocation_wait_seconds", help, None, MetricType::Histogram)?;
    metric.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_all_counters() {
        let metrics = Arc::new(Metrics::default());
        metrics.count_response(http::StatusCode::OK);
        metrics.count_response(http::StatusCode::NOT_FOUND);
        metrics.invocation_waits.observe(Duration::from_millis(2));
        metrics.invocation_waits.observe(Duration::from_secs(1_000));
        let page =
            metrics.render(MetricsSample { store_syncs: 7, workers: Some(3), ..MetricsSample::default() });
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
            "# EOF",
            "# TYPE golem_workers gauge",
        ] {
            assert!(page.lines().any(|l| l == line), "{line} should be in\n{page}");
        }
    }
}
