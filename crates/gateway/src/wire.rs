//! What a connection speaks, told from its first bytes: HTTP/1.1, HTTP/2, or TLS with either inside.
//!
//! One port for all of them. Nothing is taken from the stream, so whoever speaks with it finds it whole.

use std::io;
use std::time::Duration;
use tokio::net::TcpStream;

/// The first bytes of every HTTP/2 connection without TLS; no method of HTTP/1 begins so. Source: RFC 9113, 3.4.
const HTTP2: &[u8] = b"PRI";
/// The first byte of a TLS handshake. Source: RFC 8446, 5.1.
const HANDSHAKE: u8 = 22;
/// How often a client is looked at again that has sent the beginning of [`HTTP2`] and no more.
const PAUSE: Duration = Duration::from_millis(20);

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Http1,
    Http2,
    Tls,
}

impl Wire {
    /// Waits for the first bytes of `stream`. Whoever awaits this watches the clock.
    ///
    /// # Errors
    /// The client closed it without a word, or it broke.
    pub(crate) async fn of(stream: &TcpStream) -> io::Result<Self> {
        let mut first = [0; HTTP2.len()];
        loop {
            let seen = stream.peek(&mut first).await?;
            match Self::told(&first[..seen]) {
                Some(_) if seen == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                Some(wire) => return Ok(wire),
                None => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// `None` while it cannot be told.
    fn told(first: &[u8]) -> Option<Self> {
        match first {
            [HANDSHAKE, ..] => Some(Self::Tls),
            first if first == HTTP2 => Some(Self::Http2),
            first if !first.is_empty() && HTTP2.starts_with(first) => None,
            _ => Some(Self::Http1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wire_is_told_as_soon_as_it_can_be() {
        for (first, want) in [
            (&b"GET"[..], Some(Wire::Http1)),
            (b"PO", Some(Wire::Http1)),
            (b"P", None),
            (b"PR", None),
            (b"PRI", Some(Wire::Http2)),
            (b"PRO", Some(Wire::Http1)),
            (b"\x16\x03\x01", Some(Wire::Tls)),
            (b"\x16", Some(Wire::Tls)),
        ] {
            assert_eq!(Wire::told(first), want, "{first:?}");
        }
    }
}
