//! What the server says of itself: one JSON line each on standard error.
//!
//! A line holds the route, not the path, the query or a header: what a caller sends cannot be in it.

mod lines;

use std::time::{Instant, SystemTime};

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::metrics::counter::Counter;
use serde_json::{Value, json};

use self::lines::STDERR;
use crate::app::App;
use crate::channel::stamp;
use crate::listen::Peer;
use crate::people::Caller;

/// Writes a line.
pub(crate) fn tell(time: SystemTime, level: &str, message: &str, more: &[(&str, Value)]) {
    let mut line = json!({ "time": stamp(time), "level": level, "message": message });
    for (name, value) in more {
        line[*name] = value.clone();
    }
    let mut text = line.to_string();
    text.push('\n');
    STDERR.leave(text);
}

/// Waits, for a while, until all is written.
pub(crate) fn flush() {
    STDERR.flush();
}

/// How many lines nobody took.
pub(crate) fn lost() -> Counter {
    STDERR.lost()
}

/// Counts a request and writes a line about it. Who asked is known once the request was looked at, so the
/// answer carries it out.
pub(crate) async fn record(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = known(request.method());
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("(none)", MatchedPath::as_str).to_owned();
    let peer = request.extensions().get::<ConnectInfo<Peer>>().map(|info| info.0.address);
    let response = next.run(request).await;
    let (status, took) = (response.status().as_u16(), started.elapsed());
    app.metrics.answered(method, &route, status, took);
    if app.settings.log_requests {
        let user = response.extensions().get::<Caller>().map(|caller| caller.name.clone());
        let more = [
            ("method", json!(method)),
            ("route", json!(route)),
            ("status", json!(status)),
            ("ms", json!(took.as_secs_f64() * 1000.0)),
            ("user", json!(user)),
            ("from", json!(peer.map(|peer| peer.to_string()))),
        ];
        tell((app.settings.clock)(), "info", "request", &more);
    }
    response
}

/// A method that is one; others are words of the caller's, of which there is no end.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "(other)",
    }
}

/// Writes down that the code of a route panicked; the hook of panics has said where.
pub(crate) fn panicked(time: SystemTime, route: &str) {
    tell(time, "error", "a request made the server panic", &[("route", json!(route))]);
}

/// Writes down what failed here, for whoever runs the server; the caller is told less.
pub(crate) fn broken(app: &App, error: &dyn std::error::Error) {
    let source = error.source().map(ToString::to_string);
    let more = [("cause", json!(source))];
    tell((app.settings.clock)(), "error", &error.to_string(), &more);
}
