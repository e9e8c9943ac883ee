//! Links, addresses and routes inside a sandbox's network namespace.
//!
//! There is no cable to the host: `lo` is all there is. A default route of type *local* makes every address
//! the sandbox's own, so that `connect()` finds a way and the packet comes out at our listener (nftables.rs
//! turns it there); narrower *unreachable* routes make `connect()` fail at once where nobody may go.

use super::netlink::{Batch, Netlink};
use super::policy::{DENIED_NETWORKS, Network};
use std::io;
use std::net::Ipv4Addr;

/// Index of `lo`: the first interface of every namespace. `LOOPBACK_IFINDEX`.
const LOOPBACK_INDEX: u32 = 1;
/// Host addresses that get a route each; a host with more is still guarded by the proxy's own check.
const HOST_ROUTES_MAX: usize = 1_024;

/// The sandbox's own address besides loopback: the source of what goes out. One that is not loopback must be
/// there, or `getaddrinfo(AI_ADDRCONFIG)` takes the sandbox for one without IPv4. Source: getaddrinfo(3).
pub(super) const OWN_ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 100, 2);

/// Sets `lo` up; the kernel gives it 127.0.0.1/8 and ::1 by itself.
///
/// # Errors
/// The kernel's refusal.
pub(super) fn set_loopback_up(netlink: &Netlink) -> io::Result<()> {
    let mut batch = Batch::new();
    batch.request(libc::RTM_NEWLINK, libc::NLM_F_ACK, &link_header(LOOPBACK_INDEX, libc::IFF_UP as u32), |_| {});
    netlink.carry_out(&batch)
}

/// Lets every address come out at `lo` but the denied networks and the host's `own` addresses.
///
/// # Errors
/// The kernel's refusal.
pub(super) fn route_everything_to_loopback(netlink: &Netlink, own: &[Ipv4Addr]) -> io::Result<()> {
    let mut batch = Batch::new();
    batch.request(libc::RTM_NEWADDR, libc::NLM_F_CREATE | libc::NLM_F_EXCL, &own_address_header(), |attributes| {
        attributes.bytes(libc::IFA_LOCAL, &OWN_ADDRESS.octets());
        attributes.bytes(libc::IFA_ADDRESS, &OWN_ADDRESS.octets());
    });
    for network in DENIED_NETWORKS {
        // Loopback is the sandbox's own: whoever listens there is in the sandbox.
        if !network.address.is_loopback() {
            unreachable(&mut batch, network);
        }
    }
    for address in own.iter().take(HOST_ROUTES_MAX) {
        unreachable(&mut batch, Network { address: *address, prefix: 32 });
    }
    let everything = route_header(0, libc::RT_SCOPE_HOST, libc::RTN_LOCAL);
    let flags = libc::NLM_F_CREATE | libc::NLM_F_EXCL | libc::NLM_F_ACK;
    batch.request(libc::RTM_NEWROUTE, flags, &everything, |attributes| {
        attributes.native(libc::RTA_OIF, LOOPBACK_INDEX);
        attributes.bytes(libc::RTA_PREFSRC, &OWN_ADDRESS.octets());
    });
    netlink.carry_out(&batch)
}

fn unreachable(batch: &mut Batch, network: Network) {
    // Without NLM_F_EXCL: a host may bear an address twice.
    let flags = libc::NLM_F_CREATE | libc::NLM_F_REPLACE;
    let header = route_header(network.prefix, libc::RT_SCOPE_UNIVERSE, libc::RTN_UNREACHABLE);
    batch.request(libc::RTM_NEWROUTE, flags, &header, |attributes| {
        attributes.bytes(libc::RTA_DST, &network.address.octets());
    });
}

/// `struct ifinfomsg`: the link `index`, with `flags` set and nothing else changed.
pub(super) fn link_header(index: u32, flags: u32) -> [u8; 16] {
    let mut header = [0; 16];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[8..12].copy_from_slice(&flags.to_ne_bytes());
    header[12..16].copy_from_slice(&flags.to_ne_bytes()); // the mask of what changes
    header
}

/// `struct ifaddrmsg`: one IPv4 address of `lo`, without a network.
fn own_address_header() -> [u8; 8] {
    let mut header = [libc::AF_INET as u8, 32, 0, libc::RT_SCOPE_UNIVERSE, 0, 0, 0, 0];
    header[4..].copy_from_slice(&LOOPBACK_INDEX.to_ne_bytes());
    header
}

/// `struct rtmsg`: an IPv4 route of the main table.
fn route_header(prefix: u8, scope: u8, kind: u8) -> [u8; 12] {
    let family = libc::AF_INET as u8;
    [family, prefix, 0, 0, libc::RT_TABLE_MAIN, libc::RTPROT_BOOT, scope, kind, 0, 0, 0, 0]
}
