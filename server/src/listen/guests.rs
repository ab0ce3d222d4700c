//! How many connections are there, in all and from each address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Counter;
use crate::limits::counted;

/// Connections, by where they come from.
pub(super) struct Guests {
    of_one_max: usize,
    known: Mutex<HashMap<IpAddr, usize>>,
    count: Counter,
}

/// A connection that is there as long as this is.
pub(super) struct Guest {
    guests: Arc<Guests>,
    from: IpAddr,
}

impl Guests {
    /// Nobody; so many of one address may come.
    pub(super) fn new(of_one_max: usize, count: Counter) -> Arc<Guests> {
        Arc::new(Guests { of_one_max, known: Mutex::default(), count })
    }

    fn known(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more from an address, unless there are too many.
    pub(super) fn admit(self: &Arc<Guests>, from: IpAddr) -> Option<Guest> {
        let (mut known, from) = (self.known(), counted(from));
        let of_one = known.entry(from).or_default();
        if *of_one >= self.of_one_max {
            return None;
        }
        *of_one += 1;
        (self.count)(1);
        Some(Guest { guests: self.clone(), from })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut known = self.guests.known();
        if let Some(of_one) = known.get_mut(&self.from) {
            *of_one -= 1;
            if *of_one == 0 {
                known.remove(&self.from);
            }
        }
        (self.guests.count)(-1);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::Guests;

    #[test]
    fn addresses_of_one_network_of_ipv6_are_one() {
        let guests = Guests::new(2, Arc::new(|_| {}));
        let admitted = |text: &str| guests.admit(text.parse().unwrap());
        let held = [admitted("2001:db8::1"), admitted("2001:db8::2")];
        assert!(held.iter().all(Option::is_some) && admitted("2001:db8::3").is_none());
        assert!(admitted("2001:db8:0:1::3").is_some());
        drop(held);
        assert!(admitted("2001:db8::3").is_some());
        assert!(guests.known().is_empty());
    }

    #[test]
    fn so_many_of_one_address_come_in_and_their_place_is_free_when_they_go() {
        let open = Arc::new(AtomicI64::new(0));
        let counted = open.clone();
        let count = move |by| {
            counted.fetch_add(by, Ordering::Relaxed);
        };
        let guests = Guests::new(2, Arc::new(count));
        let (one, other) =
            (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));
        let (first, second) = (guests.admit(one), guests.admit(one));
        assert!(first.is_some() && second.is_some() && guests.admit(one).is_none());
        let third = guests.admit(other);
        assert!(third.is_some());
        assert_eq!(open.load(Ordering::Relaxed), 3);
        drop(first);
        assert!(guests.admit(one).is_some());
        drop((second, third));
        assert!(guests.known().is_empty());
        assert_eq!(open.load(Ordering::Relaxed), 0);
    }
}
