//! Which addresses may be connected to, for requests that somebody else makes us send.
//!
//! Who may name a host could otherwise ask what only this machine and its network can reach: services that
//! trust whoever is inside, and the metadata of clouds with their credentials. A name is resolved once, and
//! connected is to what was looked at: a name that leads elsewhere the next time gains nothing.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::{TcpStream, lookup_host};

/// Which addresses may be connected to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Any.
    #[default]
    Anywhere,
    /// Those of the public internet, and what is named.
    Public(Arc<[Private]>),
}

/// A host or a network that may be private.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Private {
    /// A host by its name, wherever that leads.
    Host(String),
    /// Addresses that begin with so many bits.
    Network(IpAddr, u8),
}

/// A text names neither a host nor a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is neither a host nor a network like `10.1.0.0/16`")]
pub struct InvalidPrivate;

/// An address is none that may be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is at an address that is not public, which is asked only where `--allow-private-hosts` says so"
)]
pub struct NotPublic;

impl Private {
    /// Reads a host, an address or a network.
    ///
    /// # Errors
    /// [`InvalidPrivate`]
    pub fn parse(text: &str) -> Result<Private, InvalidPrivate> {
        let bare = bare(text.trim());
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(Private::Network(address, bits(address)));
        }
        if let Some((address, length)) = bare.split_once('/') {
            let address: IpAddr = self::bare(address).parse().map_err(|_| InvalidPrivate)?;
            let length = length.parse().ok().filter(|length| *length <= bits(address));
            return Ok(Private::Network(address, length.ok_or(InvalidPrivate)?));
        }
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        match !bare.is_empty() && bare.bytes().all(is_plain) {
            true => Ok(Private::Host(canonical(bare))),
            false => Err(InvalidPrivate),
        }
    }

    fn holds(&self, host: &str, address: IpAddr) -> bool {
        match self {
            Private::Host(name) => *name == canonical(host),
            Private::Network(network, length) => is_in(address, *network, *length),
        }
    }
}

impl fmt::Display for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Private::Host(name) => f.write_str(name),
            Private::Network(address, length) => write!(f, "{address}/{length}"),
        }
    }
}

impl Reach {
    /// Whether an address may be connected to that a host's name led to.
    pub fn admits(&self, host: &str, address: IpAddr) -> bool {
        match self {
            Reach::Anywhere => true,
            Reach::Public(opened) => {
                is_public(address) || opened.iter().any(|one| one.holds(host, address))
            }
        }
    }

    /// Resolves a host, and keeps the addresses that may be connected to.
    ///
    /// # Errors
    /// The name leads nowhere, or to nothing that may be connected to: then [`NotPublic`] is inside.
    pub async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let found: Vec<SocketAddr> = lookup_host((bare(host), port)).await?.collect();
        if found.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let admitted = |address: &SocketAddr| self.admits(host, address.ip());
        let found: Vec<SocketAddr> = found.into_iter().filter(admitted).collect();
        match found.is_empty() {
            true => Err(io::Error::other(NotPublic)),
            false => Ok(found),
        }
    }

    /// Connects to a host.
    ///
    /// # Errors
    /// As for [`Reach::resolve`], and nobody answers there.
    pub async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let addresses = self.resolve(host, port).await?;
        TcpStream::connect(&*addresses).await
    }
}

impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.clone();
        Box::pin(async move {
            let found = Reach::resolve(&reach, name.as_str(), 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// A host without brackets.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

fn canonical(host: &str) -> String {
    bare(host).trim_end_matches('.').to_ascii_lowercase()
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn is_in(address: IpAddr, network: IpAddr, length: u8) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let differing = address.to_bits() ^ network.to_bits();
            differing.checked_shr(32 - u32::from(length)).unwrap_or(0) == 0
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let differing = address.to_bits() ^ network.to_bits();
            differing.checked_shr(128 - u32::from(length)).unwrap_or(0) == 0
        }
        // The form in which IPv6 carries it.
        (IpAddr::V6(address), IpAddr::V4(_)) => {
            address.to_ipv4_mapped().is_some_and(|inner| is_in(IpAddr::V4(inner), network, length))
        }
        (IpAddr::V4(_), IpAddr::V6(_)) => false,
    }
}

/// Whether an address is one of the public internet (the special-purpose registries of IANA, RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Networks of IPv4 that are not public.
const CLOSED_V4: [(Ipv4Addr, u8); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    // Shared by customers of a carrier (CGNAT); one cloud has its metadata there.
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // Link-local, with the metadata of most clouds.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Multicast, then what is reserved, with broadcast.
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    let holds = |(network, length): &(Ipv4Addr, u8)| {
        is_in(IpAddr::V4(address), IpAddr::V4(*network), *length)
    };
    // A name server of Azure, which also tells a machine its credentials.
    address != Ipv4Addr::new(168, 63, 129, 16) && !CLOSED_V4.iter().any(holds)
}

/// Only what is given out as global unicast is public, but for what stands for other addresses in it.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let within =
        |network: Ipv6Addr, length| is_in(IpAddr::V6(address), IpAddr::V6(network), length);
    let parts = address.segments();
    let inner = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    // Translated to IPv4 on the way (RFC 6052).
    if within(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96) {
        return is_public_v4(inner(parts[6], parts[7]));
    }
    // Carried in IPv4 (6to4).
    if parts[0] == 0x2002 {
        return is_public_v4(inner(parts[1], parts[2]));
    }
    let is_global = within(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
    // Protocols, with Teredo, and examples.
    let is_special = within(Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23)
        || within(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32)
        || within(Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20);
    is_global && !is_special
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, TcpListener};
    use std::time::Duration;

    use super::{InvalidPrivate, NotPublic, Private, Reach, is_public};
    use crate::{Call, Fault, HeaderMap, Http, HttpSettings, Method, Roots, Tls, Url};

    /// Somebody who listens, and the port.
    fn listener() -> (TcpListener, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    #[tokio::test]
    async fn nobody_is_connected_to_who_is_not_public() {
        let (listener, port) = listener();
        let closed = Reach::Public([].into());
        for host in ["localhost", "127.0.0.1", "[::1]", "0.0.0.0"] {
            let error = closed.connect(host, port).await.unwrap_err();
            let inner = error.get_ref().unwrap();
            assert!(inner.is::<NotPublic>(), "{host}: {error}");
        }
        assert!(listener.accept().is_err());
        let opened = Reach::Public([Private::Host("localhost".to_owned())].into());
        opened.connect("LOCALHOST", port).await.unwrap();
        assert!(opened.connect("127.0.0.1", port).await.is_err());
    }

    #[tokio::test]
    async fn no_request_is_sent_to_who_is_not_public_however_that_is_written() {
        let (listener, port) = listener();
        let tls = Tls { roots: Roots::None, identity: None };
        let settings = HttpSettings { tls, proxy: None, timeout: Duration::from_secs(5) };
        let http = Http::within(&settings, &Reach::Public([].into())).unwrap();
        for host in [
            "localhost",
            "LOCALHOST",
            "127.0.0.1",
            "127.0.0.1.",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
        ]
        .into_iter()
        .chain(["[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::]"])
        {
            let url = Url::parse(&format!("http://{host}:{port}/")).unwrap();
            let call = Call { method: Method::GET, url, headers: HeaderMap::new(), body: None };
            let fault = http.send(call).await.err();
            assert_eq!(fault, Some(Fault::NotPublic), "{host}");
        }
        assert!(listener.accept().is_err());
    }

    #[test]
    fn only_the_public_internet_is_public() {
        for closed in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "168.63.129.16",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fe80::a9fe:a9fe",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "ff02::1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "2001:0:1234::1",
            "2001:db8::1",
            "100::1",
            "3fff::1",
            "4000::1",
        ] {
            assert!(!is_public(closed.parse::<IpAddr>().unwrap()), "{closed}");
        }
        for open in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00::1",
            "::ffff:1.1.1.1",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert!(is_public(open.parse::<IpAddr>().unwrap()), "{open}");
        }
    }

    #[test]
    fn what_is_named_is_opened_and_nothing_beside_it() {
        let opened = ["db.internal", "10.1.0.0/16", "127.0.0.1", "fd00::/8", "[::1]"];
        let opened: Vec<Private> =
            opened.iter().map(|text| Private::parse(text).unwrap()).collect();
        let reach = Reach::Public(opened.into());
        let check = |host: &str, address: &str, expected: bool| {
            assert_eq!(reach.admits(host, address.parse().unwrap()), expected, "{host} {address}");
        };
        check("db.internal", "192.168.0.7", true);
        check("DB.internal.", "192.168.0.7", true);
        check("x.db.internal", "192.168.0.7", false);
        check("a.example", "10.1.255.1", true);
        check("a.example", "10.2.0.1", false);
        check("a.example", "::ffff:10.1.0.1", true);
        check("a.example", "127.0.0.1", true);
        check("a.example", "127.0.0.2", false);
        check("a.example", "fd12::1", true);
        check("a.example", "::1", true);
        check("a.example", "fe80::1", false);
        check("a.example", "1.1.1.1", true);
        assert!(Reach::Anywhere.admits("a", "127.0.0.1".parse().unwrap()));
        let all = Reach::Public([Private::parse("0.0.0.0/0").unwrap()].into());
        assert!(all.admits("a", "127.0.0.1".parse().unwrap()));
        assert!(!all.admits("a", "::1".parse().unwrap()));
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for text in ["", "10.0.0.0/33", "10.0.0.0/", "fd00::/129", "a b", "https://a", "a:80", "/8"]
        {
            assert_eq!(Private::parse(text), Err(InvalidPrivate), "{text}");
        }
        for text in ["10.1.0.0/16", "db.internal", "fd00::/8"] {
            assert_eq!(Private::parse(text).unwrap().to_string(), text);
        }
    }
}
