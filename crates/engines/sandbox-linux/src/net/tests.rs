//! The sandbox's network from end to end, in a world of the tests' own (tests/world.rs).

mod world;

use super::{EgressOptions, NAMESERVER, make_netns, netns};
use lacewing_model::Egress;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;
use world::{ECHO, HOST, INTERNET, in_a_world};

/// So that what should fail at once fails the test and does not hang it. No test waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(20);

fn dial(to: impl Into<SocketAddr>) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&to.into(), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Sends `text` and returns what comes back.
fn echo(stream: &mut TcpStream, text: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(text)?;
    let mut back = vec![0; text.len()];
    stream.read_exact(&mut back)?;
    Ok(back)
}

#[test]
fn five_megabytes_go_out_and_come_back_past_a_half_close() {
    in_a_world(async |world| {
        let sandbox = world.sandbox(EgressOptions::default());
        let came_back = sandbox.inside(|| {
            let sent: Vec<u8> = (0..5_000_000_u32).map(|number| (number / 7) as u8).collect();
            let mut reading = dial(ECHO).unwrap();
            let mut writing = reading.try_clone().unwrap();
            let copy = sent.clone();
            let writer = std::thread::spawn(move || {
                writing.write_all(&copy).unwrap();
                writing.shutdown(Shutdown::Write).unwrap();
            });
            let mut came_back = Vec::new();
            reading.read_to_end(&mut came_back).unwrap();
            writer.join().unwrap();
            came_back == sent
        });
        assert!(came_back.await);
    });
}

#[test]
fn what_is_denied_fails_at_once() {
    in_a_world(async |world| {
        // A server on the host, like ours, on its loopback and on its address.
        let near = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let port = near.local_addr().unwrap().port();
        assert!(dial((HOST, port)).is_ok());
        let sandbox = world.sandbox(EgressOptions::default());
        sandbox
            .inside(move || {
                for refused in [
                    format!("{HOST}:{port}"),
                    format!("[::ffff:{HOST}]:{port}"),
                    format!("127.0.0.1:{port}"),
                    format!("0.0.0.0:{port}"),
                    format!("[::1]:{port}"),
                    "169.254.169.254:80".into(),
                    "[::ffff:169.254.169.254]:80".into(),
                    "100.100.100.200:80".into(),
                    "168.63.129.16:80".into(),
                    "224.0.0.1:80".into(),
                    "240.0.0.1:80".into(),
                    "255.255.255.255:80".into(),
                    "[2001:db8::1]:80".into(),
                    "[fe80::1]:80".into(),
                ] {
                    let address: SocketAddr = refused.parse().unwrap();
                    let error = dial(address).expect_err(&refused);
                    assert!(!matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock), "{refused}: {error}");
                }
                // UDP other than DNS: told at once, whether the socket is connected or not.
                let udp = UdpSocket::bind("0.0.0.0:0").unwrap();
                for refused in [(INTERNET, 123), (INTERNET, 443), (HOST, 53), (Ipv4Addr::new(169, 254, 169, 254), 53)] {
                    assert!(udp.send_to(b"x", refused).is_err(), "{refused:?}");
                }
            })
            .await;
        near.set_nonblocking(true).unwrap();
        near.accept().unwrap(); // our own, above
        assert_eq!(near.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn the_proxy_refuses_what_the_routes_let_by() {
    in_a_world(async |world| {
        let operators = Ipv4Addr::new(203, 0, 113, 9);
        let sandbox = world.sandbox(EgressOptions { also_denied: vec![operators], ..Default::default() });
        // The host gets an address after the sandbox was made.
        let newer = Ipv4Addr::new(198, 51, 100, 77);
        world.add_host_address(newer);
        let near = TcpListener::bind((newer, 0)).unwrap();
        let port = near.local_addr().unwrap().port();
        sandbox
            .inside(move || {
                for (address, port) in [(newer, port), (operators, 80), (Ipv4Addr::LOCALHOST, 1)] {
                    let heard = dial((address, port)).and_then(|mut stream| stream.read(&mut [0]));
                    assert_eq!(heard.unwrap_err().kind(), ErrorKind::ConnectionReset, "{address}");
                }
            })
            .await;
        near.set_nonblocking(true).unwrap();
        assert_eq!(near.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn a_refusal_of_the_other_side_is_seen_as_a_reset() {
    in_a_world(async |world| {
        let sandbox = world.sandbox(EgressOptions::default());
        let heard = sandbox.inside(|| dial((INTERNET, 81)).and_then(|mut stream| stream.read(&mut [0]))).await;
        assert_eq!(heard.unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn questions_are_answered_by_the_hosts_resolver_whomever_they_are_put_to() {
    in_a_world(async |world| {
        let resolver = world.resolver();
        let sandbox = world.sandbox(EgressOptions { resolvers: Some(vec![resolver]), ..Default::default() });
        sandbox
            .inside(|| {
                for asked in [NAMESERVER, Ipv4Addr::new(8, 8, 8, 8)] {
                    let udp = UdpSocket::bind("0.0.0.0:0").unwrap();
                    udp.set_read_timeout(Some(PATIENCE)).unwrap();
                    udp.connect((asked, 53)).unwrap(); // so only its answers are heard
                    for number in 0..50 {
                        udp.send(&world::question(number)).unwrap();
                        let mut answer = [0; 512];
                        let length = udp.recv(&mut answer).unwrap();
                        assert_eq!(answer[..length], world::answer(number), "{asked}");
                    }
                }
                let mut tcp = dial((NAMESERVER, 53)).unwrap();
                for number in 0..3 {
                    let want = world::answer(number);
                    tcp.write_all(&world::framed(&world::question(number))).unwrap();
                    let mut answer = vec![0; 2 + want.len()];
                    tcp.read_exact(&mut answer).unwrap();
                    assert_eq!(answer, world::framed(&want));
                }
            })
            .await;
    });
}

#[test]
fn a_question_that_nobody_answers_gets_a_failure() {
    in_a_world(async |world| {
        // Nobody listens there, which the host says at once.
        let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
        let sandbox = world.sandbox(EgressOptions { resolvers: Some(vec![nobody]), ..Default::default() });
        let answer = sandbox.inside(|| {
            let udp = UdpSocket::bind("0.0.0.0:0").unwrap();
            udp.set_read_timeout(Some(PATIENCE)).unwrap();
            udp.send_to(&[0; 3], (NAMESERVER, 53)).unwrap(); // nonsense harms nobody
            udp.send_to(&world::question(7), (NAMESERVER, 53)).unwrap();
            let mut answer = vec![0; 512];
            let length = udp.recv(&mut answer).unwrap();
            answer.truncate(length);
            answer
        });
        let answer = answer.await;
        assert_eq!((answer[..2].to_vec(), answer[3] & 0x0f), (vec![0, 7], 2));
    });
}

#[test]
fn without_egress_there_is_loopback_and_nothing_else() {
    in_a_world(async |_| {
        let netns = make_netns(Egress::None).unwrap();
        assert!(netns.egress.is_none());
        world::inside(&netns.ns, || {
            for refused in [ECHO, SocketAddr::from((HOST, 22)), SocketAddr::from(([169, 254, 169, 254], 80))] {
                let error = dial(refused).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::NetworkUnreachable, "{refused}");
            }
            assert_eq!(dial((NAMESERVER, 53)).unwrap_err().kind(), ErrorKind::ConnectionRefused);
            // The door's listener is there, though nobody takes its connections in this test.
            assert!(dial(netns::DOOR_ADDRESS).is_ok());
            // And what the function itself opens on loopback is its own business.
            let own = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            assert!(dial(own.local_addr().unwrap()).is_ok());
        })
        .await;
    });
}

#[test]
fn a_sandbox_reaches_itself_and_never_a_neighbour() {
    in_a_world(async |world| {
        let (one, two) = (world.sandbox(EgressOptions::default()), world.sandbox(EgressOptions::default()));
        let listener = one.inside(|| {
            let own = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 4_000)).unwrap();
            assert!(dial((Ipv4Addr::LOCALHOST, 4_000)).is_ok());
            assert!(dial((super::routes::OWN_ADDRESS, 4_000)).is_ok());
            own
        });
        let _listener = listener.await;
        two.inside(|| {
            for own in [Ipv4Addr::LOCALHOST, super::routes::OWN_ADDRESS] {
                assert_eq!(dial((own, 4_000)).unwrap_err().kind(), ErrorKind::ConnectionRefused);
            }
        })
        .await;
    });
}

#[test]
fn connections_beyond_the_bound_wait_for_a_place() {
    in_a_world(async |world| {
        let sandbox = world.sandbox(EgressOptions::default());
        let mut open = sandbox
            .inside(|| {
                let mut open: Vec<TcpStream> = (0..256).map(|_| dial(ECHO).unwrap()).collect();
                for stream in &mut open {
                    assert_eq!(echo(stream, b"hello").unwrap(), b"hello");
                }
                open.push(dial(ECHO).unwrap()); // taken by the kernel, not by the proxy
                open
            })
            .await;
        assert_eq!(world.taken(), 256);
        sandbox
            .inside(move || {
                drop(open.swap_remove(0));
                assert_eq!(echo(&mut open[0], b"now").unwrap(), b"now");
            })
            .await;
        assert_eq!(world.taken(), 257);
    });
}

#[test]
fn dropping_the_handle_ends_every_connection() {
    in_a_world(async |world| {
        let mut sandbox = world.sandbox(EgressOptions::default());
        let mut stream = sandbox
            .inside(|| {
                let mut stream = dial(ECHO).unwrap();
                echo(&mut stream, b"hello").unwrap();
                stream
            })
            .await;
        sandbox.close();
        let ended = sandbox.inside(move || stream.read(&mut [0])).await;
        assert!(matches!(ended, Ok(0)) || ended.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
        let refused = sandbox.inside(|| dial(ECHO)).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn the_maker_stays_where_it_was_whatever_happens() {
    in_a_world(async |_| {
        let home = world::identity();
        for egress in [Egress::None, Egress::Internet] {
            drop(make_netns(egress).unwrap());
            assert_eq!(world::identity(), home);
        }
        let made = netns::in_new_namespace(|| Ok(world::identity())).unwrap();
        assert_ne!(made, home);
        assert!(netns::in_new_namespace::<()>(|| panic!("while away")).is_err());
        assert_eq!(world::identity(), home);
        assert_eq!(super::egress_support(), Ok(()));
    });
}
