//! Netlink by hand: a batch of requests is built in one buffer, sent at once, and its answers are read.
//!
//! The kernel works off a batch inside `send`, so its answers lie ready when `send` returns: nothing here
//! waits, and a missing answer is a fault, not a reason to sleep. Numbers keep their names from the kernel's
//! headers; those that `libc` does not know are named where they are used.

use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};
use std::io;
use std::os::fd::OwnedFd;

/// Length of `struct nlmsghdr`.
const HEADER_BYTES: usize = 16;
/// Messages and attributes begin at multiples of this. `NLMSG_ALIGNTO`, `NLA_ALIGNTO`.
const ALIGNMENT: usize = 4;
/// Most one read takes. The kernel fills dumps in pieces of at most 32 KiB.
const ANSWER_BYTES_MAX: usize = 32 * 1024;
/// Reads of one dump; a host with more addresses than fit is a host that we refuse to trust ourselves on.
const DUMP_READS_MAX: usize = 1_024;

/// Requests in the order in which the kernel shall take them.
#[derive(Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    requests: u32,
}

impl Batch {
    /// An empty batch.
    pub(super) fn new() -> Self {
        Self { bytes: Vec::with_capacity(2_048), requests: 0 }
    }

    /// Adds a request: `NLM_F_REQUEST` is implied, `fixed` is the protocol's own header.
    pub(super) fn request(
        &mut self,
        kind: u16,
        flags: libc::c_int,
        fixed: &[u8],
        fill: impl FnOnce(&mut Attributes<'_>),
    ) {
        let start = self.bytes.len();
        self.requests += 1;
        let flags = short(libc::NLM_F_REQUEST | flags);
        self.bytes.extend_from_slice(&0_u32.to_ne_bytes()); // the length, known below
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&self.requests.to_ne_bytes()); // the sequence number
        self.bytes.extend_from_slice(&0_u32.to_ne_bytes()); // the port: the kernel's
        self.bytes.extend_from_slice(fixed);
        pad(&mut self.bytes);
        fill(&mut Attributes(&mut self.bytes));
        let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
    }
}

/// The attributes of one request.
pub(super) struct Attributes<'a>(&'a mut Vec<u8>);

impl Attributes<'_> {
    /// Adds raw bytes.
    pub(super) fn bytes(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        self.0.extend_from_slice(&length.to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        pad(self.0);
    }

    /// Adds a number in the machine's byte order: what routing wants.
    pub(super) fn native(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_ne_bytes());
    }

    /// Adds a number in network byte order: what netfilter wants.
    pub(super) fn network(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// Adds a 64 bit number in network byte order.
    pub(super) fn network_wide(&mut self, kind: u16, value: u64) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// Adds a text with the zero byte that the kernel wants at its end.
    pub(super) fn text(&mut self, kind: u16, value: &str) {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.bytes(kind, &bytes);
    }

    /// Adds bytes that are no attribute: a header within.
    #[cfg(test)]
    pub(super) fn header(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        pad(self.0);
    }

    /// Adds an attribute that holds attributes.
    pub(super) fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Attributes<'_>)) {
        let start = self.0.len();
        self.bytes(kind | short(libc::NLA_F_NESTED), &[]);
        fill(&mut Attributes(self.0));
        let length = u16::try_from(self.0.len() - start).unwrap_or(u16::MAX);
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    }
}

/// A netlink socket of the network namespace that the calling thread was in when it was opened.
pub(super) struct Netlink(OwnedFd);

impl Netlink {
    /// A socket to the routing family: links, addresses, routes.
    pub(super) fn routing() -> io::Result<Self> {
        Self::open(None) // NETLINK_ROUTE is 0, the protocol by default.
    }

    /// A socket to netfilter.
    pub(super) fn netfilter() -> io::Result<Self> {
        Self::open(Some(rustix::net::netlink::NETFILTER))
    }

    fn open(protocol: Option<Protocol>) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        Ok(Self(rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?))
    }

    /// Sends `batch` and returns when all of it is done. At least its last request must ask for `NLM_F_ACK`;
    /// the kernel reports what fails whether asked or not.
    ///
    /// # Errors
    /// The first failure that the kernel reports, with its errno.
    pub(super) fn carry_out(&self, batch: &Batch) -> io::Result<()> {
        self.send(batch)?;
        let mut acknowledged = false;
        let mut answer = [0; ANSWER_BYTES_MAX];
        while let Some(length) = self.receive(&mut answer)? {
            for message in Messages(&answer[..length]) {
                if i32::from(message.kind) == libc::NLMSG_ERROR {
                    message.refusal()?;
                    acknowledged = true;
                }
            }
        }
        if acknowledged { Ok(()) } else { Err(io::Error::other("the kernel acknowledged nothing")) }
    }

    /// Sends `batch`, one question, and hands every message of the answer to `take`.
    ///
    /// # Errors
    /// The kernel's refusal, with its errno.
    pub(super) fn ask(&self, batch: &Batch, mut take: impl FnMut(Message<'_>)) -> io::Result<()> {
        self.send(batch)?;
        let mut answer = [0; ANSWER_BYTES_MAX];
        for _ in 0..DUMP_READS_MAX {
            let Some(length) = self.receive(&mut answer)? else { return Ok(()) };
            for message in Messages(&answer[..length]) {
                match i32::from(message.kind) {
                    libc::NLMSG_DONE => return Ok(()),
                    libc::NLMSG_ERROR => message.refusal()?,
                    _ => take(message),
                }
            }
        }
        Err(io::Error::other("the kernel's answer does not end"))
    }

    fn send(&self, batch: &Batch) -> io::Result<()> {
        let sent = rustix::net::send(&self.0, &batch.bytes, SendFlags::empty())?;
        if sent == batch.bytes.len() { Ok(()) } else { Err(io::Error::other("the kernel took part of a batch")) }
    }

    /// The length of the next piece of answer; `None` when there is no more.
    fn receive(&self, into: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match rustix::net::recv(&self.0, &mut *into, RecvFlags::empty()) {
                Ok((length, _)) => return Ok(Some(length)),
                Err(rustix::io::Errno::AGAIN) => return Ok(None),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// One message of an answer.
#[derive(Clone, Copy)]
pub(super) struct Message<'a> {
    /// Its type.
    pub(super) kind: u16,
    /// What follows its header.
    pub(super) body: &'a [u8],
}

impl<'a> Message<'a> {
    /// The attributes behind a fixed header of `fixed_bytes`, as (type without flags, value).
    pub(super) fn attributes(self, fixed_bytes: usize) -> impl Iterator<Item = (u16, &'a [u8])> {
        let mut rest = self.body.get(align(fixed_bytes)..).unwrap_or_default();
        std::iter::from_fn(move || {
            let length = usize::from(u16::from_ne_bytes(rest.get(..2)?.try_into().ok()?));
            let kind = u16::from_ne_bytes(rest.get(2..4)?.try_into().ok()?);
            let value = rest.get(4..length)?;
            rest = rest.get(align(length)..).unwrap_or_default();
            Some((kind & !short(libc::NLA_F_NESTED | libc::NLA_F_NET_BYTEORDER), value))
        })
    }

    /// What an `NLMSG_ERROR` says: zero is an acknowledgement.
    fn refusal(self) -> io::Result<()> {
        let code = self.body.get(..4).and_then(|bytes| bytes.try_into().ok()).map_or(0, i32::from_ne_bytes);
        if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-code)) }
    }
}

/// The messages in one piece of answer.
struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let length = usize::try_from(u32::from_ne_bytes(self.0.get(..4)?.try_into().ok()?)).ok()?;
        let kind = u16::from_ne_bytes(self.0.get(4..6)?.try_into().ok()?);
        let body = self.0.get(HEADER_BYTES..length)?;
        self.0 = self.0.get(align(length)..).unwrap_or_default();
        Some(Message { kind, body })
    }
}

/// A flag or type of the headers as the 16 bits that messages hold.
pub(super) const fn short(number: libc::c_int) -> u16 {
    // All such numbers of the headers fit; the cast is checked by the test below.
    number as u16
}

fn align(length: usize) -> usize {
    length.next_multiple_of(ALIGNMENT)
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(align(bytes.len()), 0);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_back_as_it_was_built() {
        let mut batch = Batch::new();
        batch.request(7, libc::NLM_F_ACK, &[1, 2], |attributes| {
            attributes.text(1, "lo");
            attributes.nested(2, |inner| inner.network(3, 0x0102_0304));
        });
        let message = Messages(&batch.bytes).next().unwrap();
        assert_eq!((message.kind, &message.body[..2]), (7, &[1, 2][..]));
        let attributes: Vec<_> = message.attributes(2).collect();
        assert_eq!(attributes[0], (1, &b"lo\0"[..]));
        assert_eq!(attributes[1], (2, &[8, 0, 3, 0, 1, 2, 3, 4][..]));
        assert_eq!(attributes.len(), 2);
    }

    #[test]
    fn a_torn_answer_ends_the_reading() {
        for torn in [&[][..], &[40, 0, 0, 0, 2, 0], &[4, 0, 0, 0, 2, 0, 0, 0], &[255; 20]] {
            assert_eq!(Messages(torn).count(), 0);
            assert_eq!(Message { kind: 0, body: torn }.attributes(0).take(9).count() / 9, 0);
        }
    }

    #[test]
    fn flags_fit_sixteen_bits() {
        for flag in [libc::NLA_F_NESTED, libc::NLM_F_CREATE, libc::NLM_F_DUMP] {
            assert_eq!(i32::from(short(flag)), flag);
        }
    }
}
