//! Counters, in the text format of Prometheus.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// What is counted.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    seconds: Histogram,
    /// Connections that are open.
    pub(crate) connections: Gauge,
    /// Live streams that are open.
    pub(crate) streams: Gauge,
}

/// A request, by its route and not by what is in its path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: &'static str,
    route: String,
    status: u16,
}

impl Metrics {
    /// All at nothing.
    pub(crate) fn new() -> Metrics {
        let mut registry = Registry::with_prefix("subrosa");
        let requests = Family::<Request, Counter>::default();
        let seconds = Histogram::new(exponential_buckets(0.001, 2.0, 14));
        let connections = Gauge::default();
        registry.register("http_requests", "Requests that were answered", requests.clone());
        let help = "How long answers took to begin";
        registry.register("http_request_seconds", help, seconds.clone());
        registry.register("http_connections", "Connections that are open", connections.clone());
        let streams = Gauge::default();
        registry.register("live_streams", "Live streams that are open", streams.clone());
        let help = "Lines of the log that nobody took in time";
        registry.register("log_lines_lost", help, crate::log::lost());
        Metrics { registry, requests, seconds, connections, streams }
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let labels = Request { method, route: route.to_owned(), status };
        self.requests.get_or_create(&labels).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// All of it, as text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        encode(&mut text, &self.registry).ok();
        text
    }
}
