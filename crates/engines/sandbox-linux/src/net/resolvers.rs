//! The nameservers of the host.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const DNS_PORT: u16 = 53;
const RESOLVER_FILE: &str = "/etc/resolv.conf";
/// More lines are ignored. Source: resolv.conf(5), MAXNS.
const RESOLVERS_MAX: usize = 3;
/// How long a reading of the file counts: a host that moved to another network is followed this quickly.
const FRESH_FOR: Duration = Duration::from_secs(5);

/// Where questions go.
#[derive(Debug)]
pub(super) enum Resolvers {
    /// Always these.
    Fixed(Vec<SocketAddr>),
    /// What the host's file says, read again when the last reading is old.
    OfTheHost(Mutex<Option<(Instant, Vec<SocketAddr>)>>),
}

impl Resolvers {
    /// `fixed`, or the host's.
    pub(super) fn new(fixed: Option<Vec<SocketAddr>>) -> Self {
        fixed.map_or_else(|| Self::OfTheHost(Mutex::new(None)), Self::Fixed)
    }

    /// The nameservers, best first; at least one.
    pub(super) fn now(&self) -> Vec<SocketAddr> {
        let read = match self {
            Self::Fixed(resolvers) => return resolvers.clone(),
            Self::OfTheHost(read) => read,
        };
        // A poisoned lock holds what the last reading left, which is as good as any.
        let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
        match &*read {
            Some((when, resolvers)) if when.elapsed() < FRESH_FOR => resolvers.clone(),
            _ => {
                let resolvers = parse(&std::fs::read_to_string(RESOLVER_FILE).unwrap_or_default());
                *read = Some((Instant::now(), resolvers.clone()));
                resolvers
            }
        }
    }
}

/// The nameservers that a resolv.conf names. Without any it is the host itself. Source: resolv.conf(5).
fn parse(text: &str) -> Vec<SocketAddr> {
    let named = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let address: IpAddr = (words.next()? == "nameserver").then(|| words.next())??.parse().ok()?;
        Some(SocketAddr::new(address, DNS_PORT))
    });
    let mut resolvers: Vec<_> = named.take(RESOLVERS_MAX).collect();
    if resolvers.is_empty() {
        resolvers.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), DNS_PORT));
    }
    resolvers
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nameservers_are_read_as_resolv_conf_says() {
        for (why, text, want) in [
            ("the host itself when nothing is said", "search example.org\n", vec!["127.0.0.1:53"]),
            (
                "comments and nonsense do not count",
                "# nameserver 1.2.3.4\nnameserver\nnameserver x\n",
                vec!["127.0.0.1:53"],
            ),
            ("the stub on loopback", "nameserver 127.0.0.53\noptions edns0\n", vec!["127.0.0.53:53"]),
            (
                "three at most, in order, of both families",
                "nameserver 10.0.0.1\nnameserver\tfd00::1 # second\nnameserver 10.0.0.3\nnameserver 10.0.0.4\n",
                vec!["10.0.0.1:53", "[fd00::1]:53", "10.0.0.3:53"],
            ),
        ] {
            let want: Vec<SocketAddr> = want.iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(parse(text), want, "{why}");
        }
    }
}
