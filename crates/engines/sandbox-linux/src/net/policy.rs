//! Where a sandbox may not go, said once: the routes inside it and the proxy outside are made from this.
//!
//! Also what all sandboxes share on their way out: the places for connections and questions, so that no
//! number of hostile functions takes the server's last file descriptor.

use super::hosts;
use super::resolvers::Resolvers;
use super::services::Services;
use rustix::process::Resource;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Connections of all sandboxes together; each holds two file descriptors of the server.
const CONNECTIONS_MAX: u64 = 8_192;
/// DNS questions of all sandboxes together that wait for their answers.
const QUESTIONS_MAX: u64 = 1_024;
/// Of the server's file descriptors, what goes to connections (a quarter, so half of the descriptors).
const CONNECTIONS_SHARE: u64 = 4;
/// Of the server's file descriptors, what goes to questions.
const QUESTIONS_SHARE: u64 = 8;

/// An IPv4 network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    /// Its first address.
    pub(super) address: Ipv4Addr,
    /// Bits of it that count.
    pub(super) prefix: u8,
}

impl Network {
    const fn new(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Self {
        Self { address: Ipv4Addr::new(a, b, c, d), prefix }
    }

    /// True when `address` lies in it.
    fn contains(self, address: Ipv4Addr) -> bool {
        let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
        address.to_bits() & mask == self.address.to_bits() & mask
    }
}

/// Nobody goes there, whatever the function's setting. Private networks are not among them: the machines
/// beside the host are what many functions are for.
pub(super) const DENIED_NETWORKS: [Network; 8] = [
    Network::new(0, 0, 0, 0, 8),          // "this network": comes out at the host itself
    Network::new(127, 0, 0, 0, 8),        // loopback
    Network::new(169, 254, 0, 0, 16),     // link-local, and most clouds' metadata at 169.254.169.254
    Network::new(100, 100, 100, 200, 32), // Alibaba Cloud's metadata
    Network::new(168, 63, 129, 16, 32),   // Azure's platform address
    Network::new(192, 0, 0, 192, 32),     // Oracle Cloud's older metadata
    Network::new(224, 0, 0, 0, 4),        // multicast
    Network::new(240, 0, 0, 0, 4),        // reserved, and broadcast
];

/// What an operator or a test may set.
#[derive(Clone, Debug, Default)]
pub(crate) struct EgressOptions {
    /// The nameservers to ask; the host's own (`/etc/resolv.conf`) if `None`.
    pub(crate) resolvers: Option<Vec<SocketAddr>>,
    /// Addresses that are refused besides those that always are: where the server is reached by an address
    /// that is not the host's own, as behind a load balancer.
    pub(crate) also_denied: Vec<Ipv4Addr>,
    /// Where functions find the services of AWS that the platform has not.
    pub(crate) services: Option<Services>,
}

/// Who may go where, and how many at once. Cheap to clone; one for all sandboxes of a server.
#[derive(Clone, Debug)]
pub(crate) struct EgressPolicy(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    also_denied: Vec<Ipv4Addr>,
    services: Option<Services>,
    resolvers: Resolvers,
    connections: Semaphore,
    questions: Semaphore,
}

/// Why a connection does not leave.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// It is in [`DENIED_NETWORKS`] or among the operator's.
    #[error("nobody may go there")]
    Denied,
    /// The host keeps it: its own address, or no way there.
    #[error("it is the host itself, or the host has no way there")]
    Host,
    /// All places for connections are taken.
    #[error("all sandboxes together have too many connections; raise the server's limit of open files (ulimit -n)")]
    Full,
    /// The kernel could not be asked where it leads. Then it leads nowhere.
    #[error("the host's routes cannot be read: {0}")]
    Unknown(#[from] io::Error),
}

impl EgressPolicy {
    /// The policy in force from now on. Takes its bounds from the process's limit of open files.
    pub(crate) fn new(options: EgressOptions) -> Self {
        let open_files = rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let places = |share: u64, max: u64| Semaphore::new(usize::try_from((open_files / share).min(max)).unwrap_or(1));
        Self(Arc::new(Shared {
            also_denied: options.also_denied,
            services: options.services,
            resolvers: Resolvers::new(options.resolvers),
            connections: places(CONNECTIONS_SHARE, CONNECTIONS_MAX),
            questions: places(QUESTIONS_SHARE, QUESTIONS_MAX),
        }))
    }

    /// Where a connection to `destination` goes from the host, and a place for it, given back when dropped.
    ///
    /// # Errors
    /// Why it must not leave.
    pub(super) fn way(&self, destination: SocketAddrV4) -> Result<(SocketAddr, SemaphorePermit<'_>), Refusal> {
        match self.0.services.as_ref().and_then(|services| services.way(destination)) {
            Some(beside) => Ok((beside, self.place()?)),
            None => Ok((destination.into(), self.admit(*destination.ip())?)),
        }
    }

    fn admit(&self, destination: Ipv4Addr) -> Result<SemaphorePermit<'_>, Refusal> {
        if DENIED_NETWORKS.iter().any(|network| network.contains(destination))
            || self.0.also_denied.contains(&destination)
        {
            return Err(Refusal::Denied);
        }
        if !hosts::leaves_the_host(destination)? {
            return Err(Refusal::Host);
        }
        self.place()
    }

    fn place(&self) -> Result<SemaphorePermit<'_>, Refusal> {
        self.0.connections.try_acquire().map_err(|_| Refusal::Full)
    }

    /// A place for a question, given back when dropped; `None` when all are taken.
    pub(super) fn admit_question(&self) -> Option<SemaphorePermit<'_>> {
        self.0.questions.try_acquire().ok()
    }

    /// The address of a name that no resolver knows, given by its labels.
    pub(super) fn address_of(&self, labels: &[&[u8]]) -> Option<Ipv4Addr> {
        self.0.services.as_ref()?.address_of(labels)
    }

    /// The nameservers to ask, best first.
    pub(super) fn resolvers(&self) -> Vec<SocketAddr> {
        self.0.resolvers.now()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_may_reach_is_refused_to_the_last_address() {
        let policy =
            EgressPolicy::new(EgressOptions { also_denied: vec![Ipv4Addr::new(203, 0, 113, 7)], ..Default::default() });
        for refused in [
            "0.0.0.0",
            "0.255.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.0.1",
            "169.254.169.254",
            "169.254.255.255",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "203.0.113.7",
        ] {
            assert!(matches!(policy.admit(refused.parse().unwrap()), Err(Refusal::Denied)), "{refused}");
        }
    }

    #[test]
    fn the_hosts_own_addresses_are_refused() {
        let policy = EgressPolicy::new(EgressOptions::default());
        for own in hosts::addresses().unwrap() {
            assert!(policy.admit(own).is_err(), "{own}");
        }
    }

    #[test]
    fn a_network_ends_where_its_prefix_says() {
        let all = Network::new(0, 0, 0, 0, 0);
        let one = Network::new(192, 0, 0, 192, 32);
        let half = Network::new(224, 0, 0, 0, 4);
        for (network, address, want) in [
            (all, [8, 8, 8, 8], true),
            (one, [192, 0, 0, 192], true),
            (one, [192, 0, 0, 193], false),
            (half, [239, 0, 0, 1], true),
            (half, [240, 0, 0, 1], false),
            (half, [223, 255, 255, 255], false),
        ] {
            assert_eq!(network.contains(Ipv4Addr::from(address)), want, "{address:?} in {network:?}");
        }
    }
}
