//! Bounds of requests: how many at once, how many in a second, how long.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::sync::Semaphore;

use crate::app::App;
use crate::listen::Peer;
use crate::problem::Problem;

/// A burst may have so many times what a second may.
const BURST_S: f64 = 10.0;
/// Addresses that are remembered; beyond that the oldest quiet ones are forgotten.
const ADDRESSES_MAX: usize = 10_000;

/// Who came how often, and how many requests are under way.
pub(crate) struct Pace {
    per_second: f64,
    under_way: Semaphore,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    left: f64,
    seen: Instant,
}

impl Pace {
    /// With these bounds.
    pub(crate) fn new(per_second: u32, requests_max: usize) -> Pace {
        let under_way = Semaphore::new(requests_max);
        Pace { per_second: per_second.into(), under_way, buckets: Mutex::default() }
    }

    /// Whether one more may come from an address now.
    fn admits(&self, from: IpAddr, now: Instant) -> bool {
        let full = self.per_second * BURST_S;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ADDRESSES_MAX && !buckets.contains_key(&from) {
            buckets.retain(|_, bucket| now.duration_since(bucket.seen).as_secs_f64() < BURST_S);
        }
        let bucket = buckets.entry(from).or_insert(Bucket { left: full, seen: now });
        let gained = now.duration_since(bucket.seen).as_secs_f64() * self.per_second;
        *bucket = Bucket { left: (bucket.left + gained).min(full), seen: now };
        if bucket.left < 1.0 {
            return false;
        }
        bucket.left -= 1.0;
        true
    }
}

/// Refuses what comes too often or too much at once, and ends what takes too long to be answered. A live
/// stream is bounded until it begins.
pub(crate) async fn bound(State(app): State<App>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<Peer>>().map(|info| info.0.address);
    if peer.is_some_and(|peer| !app.pace.admits(peer, Instant::now())) {
        return Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many requests from this address")
            .retry_after(1)
            .into_response();
    }
    let Ok(_held) = app.pace.under_way.try_acquire() else {
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many requests at the same time")
            .retry_after(1)
            .into_response();
    };
    match tokio::time::timeout(app.settings.limits.answer, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            Problem::new(StatusCode::GATEWAY_TIMEOUT, "the answer took too long").into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::{Duration, Instant};

    use super::Pace;

    #[test]
    fn a_burst_is_admitted_and_what_goes_on_is_not() {
        let (pace, now) = (Pace::new(2, 1), Instant::now());
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let admitted = (0..100).filter(|_| pace.admits(here, now)).count();
        assert_eq!(admitted, 20);
        assert!(pace.admits(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), now));
        let later = now + Duration::from_secs(1);
        assert_eq!((0..100).filter(|_| pace.admits(here, later)).count(), 2);
    }
}
