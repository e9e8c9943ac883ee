//! A small world around a sandbox's network.
//!
//! ```text
//! sandbox ── proxy ── "host", the namespace of the test's thread ── veth ── "internet", another namespace
//!                      198.51.100.1 (TEST-NET-2)                             198.51.100.2
//! ```
//!
//! The machine's own network is never touched, and all of it ends with the test. Needs root.

use crate::net::netlink::{Batch, Netlink, short};
use crate::net::netns::{in_new_namespace, own_namespace};
use crate::net::{EgressHandle, EgressOptions, EgressPolicy, EgressProxy, NetNs, make_netns, routes};
use lacewing_model::Egress;
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The host's address on the cable.
pub(super) const HOST: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// The only machine of the internet.
pub(super) const INTERNET: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
/// Its echo server.
pub(super) const ECHO: SocketAddr = SocketAddr::new(IpAddr::V4(INTERNET), 80);
/// The cable's index, the same at both ends; clear of what kernels put into new namespaces.
const CABLE_INDEX: u32 = 100;
/// `linux/if_link.h` and `linux/veth.h`: what `libc` does not know.
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;

/// What a test finds around it, on a thread that is in the "host".
pub(super) struct World {
    taken: Arc<AtomicUsize>,
    echo: TcpListener,
}

/// Runs `test` in a fresh world, or says why not.
pub(super) fn in_a_world(test: impl AsyncFnOnce(&World) + Send + 'static) {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: making network namespaces needs root");
        return;
    }
    let done = std::thread::spawn(move || {
        // This thread never goes back: its "host" ends with it.
        // SAFETY: CLONE_NEWNET alone does not touch other threads' descriptors.
        #[allow(unsafe_code)]
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }.unwrap();
        let world = World::make();
        // One thread, so that all of the server's side runs in the "host".
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test(&world));
    });
    if let Err(panicked) = done.join() {
        std::panic::resume_unwind(panicked);
    }
}

impl World {
    fn make() -> Self {
        let host = own_namespace().unwrap();
        let netlink = Netlink::routing().unwrap();
        routes::set_loopback_up(&netlink).unwrap();
        let echo = in_new_namespace(|| {
            let far = Netlink::routing()?;
            routes::set_loopback_up(&far)?;
            lay_cable(&far, &host);
            plug_in(&far, INTERNET);
            TcpListener::bind(ECHO)
        })
        .unwrap();
        plug_in(&netlink, HOST);
        let taken = Arc::new(AtomicUsize::new(0));
        let (listener, count) = (echo.try_clone().unwrap(), taken.clone());
        std::thread::spawn(move || {
            // Ends when the world is dropped, which shuts the listener down.
            while let Ok((stream, _)) = listener.accept() {
                count.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || echo_back(stream));
            }
        });
        Self { taken, echo }
    }

    /// A sandbox's network, served.
    pub(super) fn sandbox(&self, options: EgressOptions) -> SandboxNet {
        let NetNs { ns, door, egress } = make_netns(Egress::Internet).unwrap();
        let egress = EgressProxy::serve(egress.unwrap(), EgressPolicy::new(options)).unwrap();
        SandboxNet { ns, _door: door, egress: Some(egress) }
    }

    /// Connections that the echo server has taken so far.
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    /// Gives the host one more address.
    pub(super) fn add_host_address(&self, address: Ipv4Addr) {
        plug_in(&Netlink::routing().unwrap(), address);
    }

    /// A nameserver on the host's loopback that answers every [`question`] by its [`answer`], over UDP and TCP.
    pub(super) fn resolver(&self) -> SocketAddr {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = udp.local_addr().unwrap();
        let tcp = TcpListener::bind(address).unwrap();
        udp.set_nonblocking(true).unwrap();
        tcp.set_nonblocking(true).unwrap();
        let udp = tokio::net::UdpSocket::from_std(udp).unwrap();
        let tcp = tokio::net::TcpListener::from_std(tcp).unwrap();
        tokio::spawn(async move {
            let mut question = [0; 512];
            loop {
                let (length, asker) = udp.recv_from(&mut question).await.unwrap();
                udp.send_to(&answer_to(&question[..length]), asker).await.unwrap();
            }
        });
        tokio::spawn(async move {
            loop {
                use tokio::io::{AsyncReadExt, AsyncWriteExt};
                let (mut stream, _) = tcp.accept().await.unwrap();
                let mut question = vec![0; usize::from(stream.read_u16().await.unwrap())];
                stream.read_exact(&mut question).await.unwrap();
                stream.write_all(&framed(&answer_to(&question))).await.unwrap();
            }
        });
        address
    }
}

impl Drop for World {
    fn drop(&mut self) {
        rustix::net::shutdown(&self.echo, rustix::net::Shutdown::Both).unwrap();
    }
}

/// A sandbox's network with the server's side of it.
pub(super) struct SandboxNet {
    ns: OwnedFd,
    _door: OwnedFd,
    egress: Option<EgressHandle>,
}

impl SandboxNet {
    /// Runs `act` as a process of the sandbox would.
    pub(super) async fn inside<T: Send + 'static>(&self, act: impl FnOnce() -> T + Send + 'static) -> T {
        inside(&self.ns, act).await
    }

    /// Ends the way out.
    pub(super) fn close(&mut self) {
        self.egress = None;
    }
}

/// Runs `act` on a thread inside the namespace, while the test's own thread serves.
pub(super) async fn inside<T: Send + 'static>(ns: &OwnedFd, act: impl FnOnce() -> T + Send + 'static) -> T {
    let ns = ns.try_clone().unwrap();
    let (say, hear) = tokio::sync::oneshot::channel();
    let thread = std::thread::spawn(move || {
        move_into_link_name_space(ns.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        drop(say.send(act()));
    });
    match hear.await {
        Ok(result) => result,
        Err(_) => std::panic::resume_unwind(thread.join().unwrap_err()),
    }
}

/// A question by its number: "x." A IN.
pub(super) fn question(number: u16) -> Vec<u8> {
    [&number.to_be_bytes()[..], b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01x\x00\x00\x01\x00\x01"].concat()
}

/// Its answer, without records, and long enough to tell.
pub(super) fn answer(number: u16) -> Vec<u8> {
    answer_to(&question(number))
}

fn answer_to(question: &[u8]) -> Vec<u8> {
    let mut answer = question.to_vec();
    answer[2] |= 0x80;
    answer.extend_from_slice(b"answered by the fake");
    answer
}

/// A message as it goes over TCP.
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

/// Which network namespace the calling thread is in.
pub(super) fn identity() -> PathBuf {
    std::fs::read_link("/proc/thread-self/ns/net").unwrap()
}

fn echo_back(mut stream: TcpStream) {
    let mut piece = vec![0; 64 * 1024];
    // The sandbox may end the connection as it likes.
    while let Ok(length @ 1..) = stream.read(&mut piece) {
        if stream.write_all(&piece[..length]).is_err() {
            return;
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
}

/// A veth from the namespace of `netlink` to `other`.
fn lay_cable(netlink: &Netlink, other: &OwnedFd) {
    let mut batch = Batch::new();
    let flags = libc::NLM_F_CREATE | libc::NLM_F_EXCL | libc::NLM_F_ACK;
    let link = routes::link_header(CABLE_INDEX, 0);
    batch.request(libc::RTM_NEWLINK, flags, &link, |attributes| {
        attributes.text(libc::IFLA_IFNAME, "cable");
        attributes.nested(libc::IFLA_LINKINFO, |info| {
            info.text(IFLA_INFO_KIND, "veth");
            info.nested(IFLA_INFO_DATA, |data| {
                data.nested(VETH_INFO_PEER, |peer| {
                    peer.header(&link);
                    peer.text(libc::IFLA_IFNAME, "cable");
                    peer.native(libc::IFLA_NET_NS_FD, other.as_raw_fd().cast_unsigned());
                });
            });
        });
    });
    netlink.carry_out(&batch).unwrap();
}

/// Gives this end of the cable an address of its network, and power.
fn plug_in(netlink: &Netlink, address: Ipv4Addr) {
    let mut batch = Batch::new();
    let mut header = [libc::AF_INET as u8, 24, 0, libc::RT_SCOPE_UNIVERSE, 0, 0, 0, 0];
    header[4..].copy_from_slice(&CABLE_INDEX.to_ne_bytes());
    batch.request(libc::RTM_NEWADDR, libc::NLM_F_CREATE | libc::NLM_F_EXCL, &header, |attributes| {
        attributes.bytes(libc::IFA_LOCAL, &address.octets());
        attributes.bytes(libc::IFA_ADDRESS, &address.octets());
    });
    let up = routes::link_header(CABLE_INDEX, short(libc::IFF_UP).into());
    batch.request(libc::RTM_NEWLINK, libc::NLM_F_ACK, &up, |_| {});
    netlink.carry_out(&batch).unwrap();
}
