//! Where a sandbox may not go, said once: the routes inside it and the proxy outside are made from this.

use super::hosts;
use std::net::Ipv4Addr;

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
    pub(super) fn contains(self, address: Ipv4Addr) -> bool {
        let shift = 32 - u32::from(self.prefix.min(32));
        let mask = u32::MAX.checked_shl(shift).unwrap_or(0);
        address.to_bits() & mask == self.address.to_bits() & mask
    }
}

/// Nobody goes there, whatever the function's setting. Private networks are not among them: the machines
/// beside the host are what many functions are for.
pub(super) const DENIED_NETWORKS: [Network; 8] = [
    Network::new(0, 0, 0, 0, 8),          // this network: reaches the host itself
    Network::new(127, 0, 0, 0, 8),        // loopback
    Network::new(169, 254, 0, 0, 16),     // link-local, and most clouds' metadata at 169.254.169.254
    Network::new(100, 100, 100, 200, 32), // Alibaba Cloud's metadata
    Network::new(168, 63, 129, 16, 32),   // Azure's platform address
    Network::new(192, 0, 0, 192, 32),     // Oracle Cloud's metadata, older instances
    Network::new(224, 0, 0, 0, 4),        // multicast
    Network::new(240, 0, 0, 0, 4),        // reserved, and broadcast
];
