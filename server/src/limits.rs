//! Bounds of requests: how many at once, how many in a second, how long.

mod arriving;

use std::collections::HashMap;
use std::mem;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::sync::Semaphore;

use self::arriving::Arriving;
use crate::listen::Peer;
use crate::problem::Problem;

/// A burst may have so many times what a second may.
const BURST_S: f64 = 10.0;
/// Half as many addresses are remembered at least, and no more; those that were quiet longest are forgotten
/// first.
const ADDRESSES_MAX: usize = 20_000;

/// Who came how often, and how many requests are under way.
pub(crate) struct Pace {
    per_second: f64,
    under_way: Semaphore,
    buckets: Mutex<Buckets>,
}

/// What is known of addresses: those seen of late, and those before them. When there is no more room, the
/// former become the latter, which are forgotten; so nothing is searched, and nothing grows.
#[derive(Default)]
struct Buckets {
    late: HashMap<IpAddr, Bucket>,
    before: HashMap<IpAddr, Bucket>,
}

impl Buckets {
    fn of(&mut self, from: IpAddr, new: Bucket) -> &mut Bucket {
        if self.late.len() >= ADDRESSES_MAX / 2 && !self.late.contains_key(&from) {
            self.before = mem::take(&mut self.late);
        }
        let before = &mut self.before;
        self.late.entry(from).or_insert_with(|| before.remove(&from).unwrap_or(new))
    }
}

/// Who is counted as one: whoever has an address of IPv6 has all that share its first half.
pub(crate) fn counted(from: IpAddr) -> IpAddr {
    match from {
        IpAddr::V4(_) => from,
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
    }
}

#[derive(Clone, Copy)]
struct Bucket {
    left: f64,
    seen: Instant,
}

impl Pace {
    /// With these bounds.
    pub(crate) fn new(per_second: u32, requests_max: usize) -> Arc<Pace> {
        let under_way = Semaphore::new(requests_max);
        Arc::new(Pace { per_second: per_second.into(), under_way, buckets: Mutex::default() })
    }

    /// Whether one more may come from an address now.
    fn admits(&self, from: IpAddr, now: Instant) -> bool {
        let full = self.per_second * BURST_S;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.of(counted(from), Bucket { left: full, seen: now });
        let gained = now.duration_since(bucket.seen).as_secs_f64() * self.per_second;
        *bucket = Bucket { left: (bucket.left + gained).min(full), seen: now };
        if bucket.left < 1.0 {
            return false;
        }
        bucket.left -= 1.0;
        true
    }
}

/// Refuses what comes too often or too much at once, and ends what takes too long to arrive or to be
/// answered. A live stream is bounded until it begins.
pub(crate) async fn bound(
    State((pace, answer)): State<(Arc<Pace>, Duration)>,
    request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<ConnectInfo<Peer>>().map(|info| info.0.address);
    if peer.is_some_and(|peer| !pace.admits(peer, Instant::now())) {
        return Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many requests from this address")
            .retry_after(1)
            .into_response();
    }
    let Ok(_held) = pace.under_way.try_acquire() else {
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many requests at the same time")
            .retry_after(1)
            .into_response();
    };
    let (request, arriving) = Arriving::watch(request);
    match tokio::time::timeout(answer, next.run(request)).await {
        Ok(response) => response,
        Err(_) if arriving.is_awaited() => {
            let refused = "the body took too long to arrive";
            Problem::new(StatusCode::REQUEST_TIMEOUT, refused).into_response()
        }
        Err(_) => {
            Problem::new(StatusCode::GATEWAY_TIMEOUT, "the answer took too long").into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::{Duration, Instant};

    use super::{ADDRESSES_MAX, Pace};

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

    #[test]
    fn addresses_of_one_network_of_ipv6_count_as_one() {
        let (pace, now) = (Pace::new(1, 1), Instant::now());
        let admitted = |text: &str| pace.admits(text.parse().unwrap(), now);
        assert_eq!((0..100).filter(|n| admitted(&format!("2001:db8::{n}"))).count(), 10);
        assert!(admitted("2001:db8:0:1::1"));
    }

    #[test]
    fn what_is_remembered_does_not_grow() {
        let (pace, now) = (Pace::new(1, 1), Instant::now());
        for n in 0..5 * ADDRESSES_MAX {
            let from = Ipv4Addr::from(u32::try_from(n).unwrap());
            assert!(pace.admits(IpAddr::V4(from), now));
        }
        let buckets = pace.buckets.lock().unwrap();
        assert!(buckets.late.len() + buckets.before.len() <= ADDRESSES_MAX);
    }

    #[test]
    fn who_comes_again_is_remembered_while_others_come() {
        let (pace, now) = (Pace::new(1, 1), Instant::now());
        let often = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut admitted = 0;
        for n in 0..3 * ADDRESSES_MAX {
            pace.admits(IpAddr::V4(Ipv4Addr::from(u32::try_from(n).unwrap())), now);
            admitted += usize::from(pace.admits(often, now));
        }
        assert_eq!(admitted, 10);
    }
}
