//! The sandbox's network: a namespace with nothing but loopback in it, and the one way out.
//!
//! ```text
//! spawner (netns.rs)   make_netns: lo, the door's listener; with egress also routes.rs + nftables.rs
//!                         │ file descriptors: namespace, door, egress listener, DNS sockets
//! server  (proxy.rs)   accept ► SO_ORIGINAL_DST ► policy.rs ► connect from the host ► copy both ways
//!         (dns.rs)     question ► the host's resolvers ► answer
//! ```
//!
//! No cable leads out of the namespace: what leaves it passes the proxy, or it does not leave. The routes and
//! rules inside only make that quick and transparent; nothing depends on them for safety.
//! See `docs/decisions/0003-egress-by-proxy.md`.

mod carry;
mod dns;
mod hosts;
mod netlink;
mod netns;
mod nftables;
mod pace;
mod policy;
mod proxy;
mod resolvers;
mod routes;
mod services;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;

pub(crate) use hosts::addresses as host_addresses;
pub(crate) use netns::{DOOR_ADDRESS, EgressFds, NetNs, egress_support, furnish_netns, make_netns};
pub(crate) use policy::{EgressOptions, EgressPolicy};
pub(crate) use proxy::{EgressHandle, EgressProxy};
pub(crate) use services::{ServiceUrls, Services};

/// The nameserver for the sandbox's `/etc/resolv.conf`: our DNS sockets inside the namespace.
pub(crate) const NAMESERVER: std::net::Ipv4Addr = std::net::Ipv4Addr::LOCALHOST;
