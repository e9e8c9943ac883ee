//! What is the host itself: its addresses, and whether a destination would come out at the host.

use super::netlink::{Batch, Netlink};
use std::io;
use std::net::Ipv4Addr;

/// Length of `struct ifaddrmsg`.
const ADDRESS_HEADER_BYTES: usize = 8;
/// Length of `struct rtmsg`.
const ROUTE_HEADER_BYTES: usize = 12;
/// Where `struct rtmsg` holds the route's type.
const ROUTE_TYPE_AT: usize = 7;

/// The IPv4 addresses of the calling thread's network namespace, loopback left out.
///
/// One dump, some 20 us: cheap enough to be read anew for every sandbox instead of being cached and stale.
///
/// # Errors
/// The kernel's refusal.
pub(crate) fn addresses() -> io::Result<Vec<Ipv4Addr>> {
    let mut question = Batch::new();
    let mut header = [0; ADDRESS_HEADER_BYTES];
    header[0] = libc::AF_INET as u8;
    question.request(libc::RTM_GETADDR, libc::NLM_F_DUMP, &header, |_| {});
    let mut found = Vec::new();
    Netlink::routing()?.ask(&question, |message| {
        let local = message.attributes(ADDRESS_HEADER_BYTES).find(|(kind, _)| *kind == libc::IFA_LOCAL);
        if let Some(address) = local.and_then(|(_, value)| <[u8; 4]>::try_from(value).ok()).map(Ipv4Addr::from)
            && !address.is_loopback()
        {
            found.push(address);
        }
    })?;
    Ok(found)
}

/// True when the host would send `destination` out by a route of its own; false for what it keeps: its own
/// addresses (all that its routing counts as local, not only those on interfaces), broadcasts, multicast, and
/// what it has no way to.
///
/// Asked anew for each connection, so it is never stale. Some 10 us, and it never waits.
///
/// # Errors
/// The kernel could not be asked.
pub(super) fn leaves_the_host(destination: Ipv4Addr) -> io::Result<bool> {
    let mut question = Batch::new();
    let mut header = [0; ROUTE_HEADER_BYTES];
    header[0] = libc::AF_INET as u8;
    header[1] = 32; // the prefix: one address
    question.request(libc::RTM_GETROUTE, 0, &header, |attributes| {
        attributes.bytes(libc::RTA_DST, &destination.octets());
    });
    let mut leaves = false;
    let asked = Netlink::routing()?.ask(&question, |message| {
        leaves = message.kind == libc::RTM_NEWROUTE && message.body.get(ROUTE_TYPE_AT) == Some(&libc::RTN_UNICAST);
    });
    match asked {
        Ok(()) => Ok(leaves),
        Err(error) if is_no_route(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// How the kernel says that it has no way to an address, or was told to refuse it.
fn is_no_route(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EACCES | libc::EINVAL))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_every_address_found_are_the_host_itself() {
        let mut kept = addresses().unwrap();
        assert!(kept.iter().all(|address| !address.is_loopback()));
        kept.extend([Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 9, 9, 9), Ipv4Addr::UNSPECIFIED]);
        for address in kept {
            assert!(!leaves_the_host(address).unwrap(), "{address}");
        }
    }
}
