//! The services of AWS that the operator named for all that the platform has not itself, as functions reach them.
//!
//! Where they stand on the host's loopback, which no function reaches, they have an address of their own inside, and
//! a domain of names that lead there: SDKs put a word before the host of some operations.
//!
//! ```text
//! SDK ─ http://aws.lacewing.internal:4566 ─► dns.rs: 192.0.2.1 ─► proxy.rs: to 192.0.2.1? ─► 127.0.0.1:4566 of the host
//! ```

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

/// Where they are inside. Nobody else is there. Source: RFC 5737, TEST-NET-1.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// Every name that ends so leads to [`ADDRESS`]. Source: `.internal` is kept free for private use, ICANN 2024.
const DOMAIN: [&str; 2] = ["lacewing", "internal"];
/// The name that SDKs are given.
const NAME: &str = "aws.lacewing.internal";

/// What a function's SDK is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServiceUrls {
    /// For every service that has no other.
    pub(crate) all: String,
    /// For object storage: with an address in the place of a name, SDKs put the bucket into the path.
    pub(crate) objects: String,
}

/// What functions are told, and where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Services {
    pub(crate) urls: ServiceUrls,
    /// Where connections to [`ADDRESS`] go; `None` where the services stand elsewhere, and functions need no help.
    beside: Option<SocketAddr>,
}

impl Services {
    /// Of an endpoint such as `http://127.0.0.1:4566`.
    pub(crate) fn at(endpoint: &str) -> Self {
        let endpoint = endpoint.trim_end_matches('/');
        match beside(endpoint) {
            Some(address) => {
                let url = |host: &str| format!("http://{host}:{}", address.port());
                let urls = ServiceUrls { all: url(NAME), objects: url(&ADDRESS.to_string()) };
                Self { urls, beside: Some(address) }
            }
            None => Self { urls: ServiceUrls { all: endpoint.to_owned(), objects: endpoint.to_owned() }, beside: None },
        }
    }

    /// Where on the host a connection to `destination` goes, if it means them.
    pub(super) fn way(&self, destination: SocketAddrV4) -> Option<SocketAddr> {
        self.beside.filter(|beside| *destination.ip() == ADDRESS && destination.port() == beside.port())
    }

    /// The address of a name, given by its labels from the left, if it is one of theirs.
    pub(super) fn address_of(&self, labels: &[&[u8]]) -> Option<Ipv4Addr> {
        let at = labels.len().checked_sub(DOMAIN.len())?;
        let ours = labels[at..].iter().zip(DOMAIN).all(|(label, ours)| label.eq_ignore_ascii_case(ours.as_bytes()));
        (self.beside.is_some() && ours).then_some(ADDRESS)
    }
}

/// The address behind an endpoint on the host's loopback. One by TLS is not: its certificate names its own host.
fn beside(endpoint: &str) -> Option<SocketAddr> {
    const HTTP_PORT: u16 = 80;
    let authority = endpoint.strip_prefix("http://")?.split('/').next()?;
    let authority = authority.replacen("localhost", "127.0.0.1", usize::from(authority.starts_with("localhost")));
    let with_port = |ip: IpAddr| SocketAddr::new(ip, HTTP_PORT);
    let address = authority.parse::<SocketAddr>().or_else(|_| authority.parse().map(with_port)).ok()?;
    address.ip().is_loopback().then_some(address)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_on_loopback_has_an_address_of_its_own_inside() {
        for endpoint in ["http://127.0.0.1:4566", "http://localhost:4566/", "http://127.8.8.8:4566"] {
            let services = Services::at(endpoint);
            assert_eq!(services.urls.all, "http://aws.lacewing.internal:4566");
            assert_eq!(services.urls.objects, "http://192.0.2.1:4566");
            assert!(services.way(SocketAddrV4::new(ADDRESS, 4566)).unwrap().ip().is_loopback());
            assert_eq!(services.way(SocketAddrV4::new(ADDRESS, 22)), None, "one port, not the whole host");
            assert_eq!(services.way(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 4566)), None);
        }
        assert_eq!(Services::at("http://[::1]:4566").beside, Some("[::1]:4566".parse().unwrap()));
        assert_eq!(Services::at("http://127.0.0.1").beside, Some("127.0.0.1:80".parse().unwrap()));
    }

    #[test]
    fn what_stands_elsewhere_is_named_as_it_is() {
        for endpoint in
            ["http://10.0.0.7:9000", "https://localhost:4566", "http://minio.local:9000", "http://localhostess:1"]
        {
            let services = Services::at(endpoint);
            assert_eq!((services.urls.all.as_str(), services.beside), (endpoint, None));
            assert_eq!(services.address_of(&[b"lacewing", b"internal"]), None);
        }
    }

    #[test]
    fn every_name_of_the_domain_leads_there_and_no_other() {
        let services = Services::at("http://127.0.0.1:4566");
        for name in ["aws.lacewing.internal", "sync-aws.LACEWING.internal", "lacewing.internal"] {
            let labels: Vec<&[u8]> = name.split('.').map(str::as_bytes).collect();
            assert_eq!(services.address_of(&labels), Some(ADDRESS), "{name}");
        }
        for name in ["internal", "lacewing.internal.example", "xlacewing.internal"] {
            let labels: Vec<&[u8]> = name.split('.').map(str::as_bytes).collect();
            assert_eq!(services.address_of(&labels), None, "{name}");
        }
    }
}
