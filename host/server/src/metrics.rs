//! What Prometheus scrapes. The server counts requests; the node counts calls, of requests and jobs alike.

use std::collections::HashMap;
use std::time::Duration;

use bulla_kernel::ports::Usage;
use prometheus::core::{Collector as _, MetricVec, MetricVecBuilder};
use prometheus::{
    Counter, CounterVec, Encoder, Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    Opts, Registry, TextEncoder,
};

/// The text format's media type.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const SECONDS: &[f64] = &[0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];
const MEBIBYTES: &[f64] = &[262_144.0, 1_048_576.0, 4_194_304.0, 16_777_216.0, 67_108_864.0, 268_435_456.0];

/// The host's metrics, in a registry of their own. No label takes a value that a caller is free to invent: routes, codes,
/// installed addons.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    requests_running: IntGauge,
    unauthenticated: IntCounter,
    forbidden: IntCounterVec,
    calls: IntCounterVec,
    call_seconds: HistogramVec,
    call_fuel: CounterVec,
    call_memory: HistogramVec,
    calls_running: IntGauge,
    throttled: IntCounterVec,
    over_budget: IntCounterVec,
    compile_seconds: Counter,
    audit_unpublished: Gauge,
}

impl Metrics {
    /// Fails only where two metrics have one name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let all = Register(&registry);
        Ok(Self {
            requests: all.counts(
                "bulla_http_requests_total",
                "Requests by route, method and status",
                &["route", "method", "status"],
            )?,
            request_seconds: all.histogram(
                "bulla_http_request_seconds",
                "From headers to response, by route",
                SECONDS,
                &["route"],
            )?,
            requests_running: all.gauge("bulla_http_requests_running", "Requests that are being answered")?,
            unauthenticated: all
                .count("bulla_http_unauthenticated_total", "Requests without a valid token")?,
            forbidden: all.counts(
                "bulla_http_forbidden_total",
                "Requests that the policies refused",
                &["operation"],
            )?,
            calls: all.counts(
                "bulla_calls_total",
                "Calls of addons by outcome: `ok`, `replayed`, or an error code",
                &["addon", "outcome"],
            )?,
            call_seconds: all.histogram(
                "bulla_call_seconds",
                "Wall-clock time of calls",
                SECONDS,
                &["addon"],
            )?,
            call_fuel: all.sums("bulla_call_fuel_total", "Fuel used by calls", &["addon"])?,
            call_memory: all.histogram(
                "bulla_call_memory_peak_bytes",
                "Memory peak of calls",
                MEBIBYTES,
                &["addon"],
            )?,
            calls_running: all.gauge("bulla_calls_running", "Calls that run or wait")?,
            throttled: all.counts(
                "bulla_calls_throttled_total",
                "Calls that admission refused",
                &["reason"],
            )?,
            over_budget: all.counts(
                "bulla_calls_over_budget_total",
                "Calls beyond their performance budget",
                &["addon", "budget"],
            )?,
            compile_seconds: all.sum("bulla_compile_seconds_total", "Time spent compiling addons")?,
            audit_unpublished: all.float(
                "bulla_audit_oldest_unpublished_seconds",
                "Age of the oldest audit entry without a checkpoint",
            )?,
            registry,
        })
    }

    /// Forgets the series of addons that no tenant has any more. One that comes back counts from zero, as after a restart.
    pub fn retain_addons(&self, live: impl Fn(&str) -> bool) {
        forget(&self.calls, &live);
        forget(&self.call_seconds, &live);
        forget(&self.call_fuel, &live);
        forget(&self.call_memory, &live);
        forget(&self.over_budget, &live);
    }

    /// For metrics of the node's own.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// All of them in Prometheus's text format.
    pub fn text(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }

    // ---- requests ------------------------------------------------------------------------------------------------

    pub(crate) fn request(&self, route: &str, method: &str, status: u16, elapsed: Duration) {
        self.requests.with_label_values(&[route, method, &status.to_string()]).inc();
        self.request_seconds.with_label_values(&[route]).observe(elapsed.as_secs_f64());
    }

    /// Counts a request as running for as long as the guard lives.
    pub(crate) fn request_running(&self) -> Running {
        Running::start(&self.requests_running)
    }

    pub(crate) fn unauthenticated(&self) {
        self.unauthenticated.inc();
    }

    pub(crate) fn forbidden(&self, operation: &str) {
        self.forbidden.with_label_values(&[operation]).inc();
    }

    // ---- calls ---------------------------------------------------------------------------------------------------

    /// Counts a call as running for as long as the guard lives.
    pub fn call_running(&self) -> Running {
        Running::start(&self.calls_running)
    }

    /// A call that ran to an end. `outcome`: `ok`, or the error's code.
    pub fn call(&self, addon: &str, outcome: &str, usage: &Usage) {
        self.calls.with_label_values(&[addon, outcome]).inc();
        self.call_seconds.with_label_values(&[addon]).observe(usage.elapsed.duration().as_secs_f64());
        self.call_fuel.with_label_values(&[addon]).inc_by(usage.fuel.get() as f64);
        self.call_memory.with_label_values(&[addon]).observe(usage.memory_peak.get() as f64);
    }

    /// A call that did not run: answered from its idempotency record (`replayed`), or refused before the guest started.
    pub fn call_without_run(&self, addon: &str, outcome: &str) {
        self.calls.with_label_values(&[addon, outcome]).inc();
    }

    /// A call that admission refused: `rate`, `queue`, `wait`; or a request for want of `body-memory`.
    pub fn throttled(&self, reason: &str) {
        self.throttled.with_label_values(&[reason]).inc();
    }

    /// A call that used more than its performance budget of `fuel`, `time` or `memory`.
    pub fn over_budget(&self, addon: &str, budget: &str) {
        self.over_budget.with_label_values(&[addon, budget]).inc();
    }

    // ---- the host ------------------------------------------------------------------------------------------------

    pub fn compiled(&self, elapsed: Duration) {
        self.compile_seconds.inc_by(elapsed.as_secs_f64());
    }

    pub fn audit_unpublished(&self, age: Duration) {
        self.audit_unpublished.set(age.as_secs_f64());
    }
}

/// Removes the series whose label `addon` is not live. A call that ends later brings its series back until the next time.
fn forget<B: MetricVecBuilder>(series: &MetricVec<B>, live: &impl Fn(&str) -> bool) {
    for family in series.collect() {
        for metric in family.get_metric() {
            let labels: HashMap<&str, &str> =
                metric.get_label().iter().map(|pair| (pair.name(), pair.value())).collect();
            if labels.get("addon").is_some_and(|addon| !live(addon)) {
                // Gone already is as good.
                drop(series.remove(&labels));
            }
        }
    }
}

/// One more of something, until dropped.
pub struct Running(IntGauge);

impl Running {
    fn start(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

struct Register<'a>(&'a Registry);

impl Register<'_> {
    fn add<T: prometheus::core::Collector + Clone + 'static>(
        &self,
        metric: T,
    ) -> Result<T, prometheus::Error> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn count(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.add(IntCounter::new(name, help)?)
    }

    fn counts(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn sum(&self, name: &str, help: &str) -> Result<Counter, prometheus::Error> {
        self.add(Counter::new(name, help)?)
    }

    fn sums(&self, name: &str, help: &str, labels: &[&str]) -> Result<CounterVec, prometheus::Error> {
        self.add(CounterVec::new(Opts::new(name, help), labels)?)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.add(IntGauge::new(name, help)?)
    }

    fn float(&self, name: &str, help: &str) -> Result<Gauge, prometheus::Error> {
        self.add(Gauge::new(name, help)?)
    }

    fn histogram(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
        labels: &[&str],
    ) -> Result<HistogramVec, prometheus::Error> {
        self.add(HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bulla_base::{Bytes, Fuel, Millis};

    #[test]
    fn what_was_counted_is_in_the_text() {
        let metrics = Metrics::new().unwrap();
        let usage = Usage {
            fuel: Fuel(1_500),
            memory_peak: Bytes(1 << 20),
            elapsed: Millis(3),
            host_bytes: Bytes(0),
            log_bytes: Bytes(0),
        };
        let running = metrics.call_running();
        metrics.call("einvoice", "ok", &usage);
        metrics.call_without_run("einvoice", "replayed");
        metrics.throttled("rate");
        metrics.over_budget("einvoice", "fuel");
        let text = String::from_utf8(metrics.text().unwrap()).unwrap();
        for line in [
            r#"bulla_calls_total{addon="einvoice",outcome="ok"} 1"#,
            r#"bulla_calls_total{addon="einvoice",outcome="replayed"} 1"#,
            r#"bulla_call_fuel_total{addon="einvoice"} 1500"#,
            r#"bulla_calls_throttled_total{reason="rate"} 1"#,
            r#"bulla_calls_over_budget_total{addon="einvoice",budget="fuel"} 1"#,
            "bulla_calls_running 1",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        drop(running);
        metrics.call("gone", "ok", &usage);
        metrics.over_budget("gone", "time");
        metrics.retain_addons(|addon| addon == "einvoice");
        let text = String::from_utf8(metrics.text().unwrap()).unwrap();
        assert!(text.contains("bulla_calls_running 0") && !text.contains("gone"), "{text}");
        assert!(text.contains(r#"bulla_calls_total{addon="einvoice",outcome="ok"} 1"#), "{text}");
    }
}
