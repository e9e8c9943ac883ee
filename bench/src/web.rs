//! A web function through its URL, beside the very same server asked directly.
//!
//! The server is this program again, told so by its first argument: what is measured is the way to it.

use crate::calls;
use crate::connection::Connection;
use crate::figures::{Table, Times};
use crate::languages::zip;
use crate::server::Server;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The first argument that makes this program the server.
pub const SERVES: &str = "web-server";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello ada";
const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
/// Between the first piece of a stream and its end.
const STREAM_PAUSE: Duration = Duration::from_millis(5);
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// Digits of a time in nanoseconds.
const DIGITS: usize = 20;
const UP_WITHIN: Duration = Duration::from_secs(10);
/// Until it is tried again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// Source of both goals: what a hop through the platform may cost at most.
const GOAL_ADDED_MS: [f64; 2] = [0.15, f64::INFINITY];
const GOAL_FIRST_BYTE_MS: [f64; 2] = [1.0, f64::INFINITY];
/// One in so many of the requests is a stream: each has a pause.
const STREAMS_SHARE: usize = 10;

/// Serves on `PORT`, each connection in a thread of its own: `/stream` says when it was written, anything else greets.
///
/// # Errors
/// There is no such port.
pub fn serve() -> io::Result<()> {
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(0);
    for stream in TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.incoming() {
        let stream = stream?;
        thread::spawn(move || answer(stream));
    }
    Ok(())
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    while let Some(first) = lines.next() {
        let streams = first?.contains(" /stream ");
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        if streams {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
            stream.write_all(format!("{STREAM_HEAD}{DIGITS:x}\r\n{now:0DIGITS$}\r\n").as_bytes())?;
            thread::sleep(STREAM_PAUSE);
            stream.write_all(LAST_CHUNK)?;
        } else {
            stream.write_all(ANSWER)?;
        }
    }
    Ok(())
}

/// What the platform adds to a request, and how long after it was written a stream's first piece is here.
pub fn measure(binary: &Path, count: usize, table: &mut Table) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let content = std::fs::read(&program).map_err(|error| format!("{}: {error}", program.display()))?;
    let server = Server::start(binary, "")?;
    let package = zip([("server", content.as_slice())])?;
    let host = calls::deploy_web(&server, &package, &format!("/var/task/server {SERVES}"))?;
    let bare = Bare::start(&program)?;
    let ours = requests(&server.address, &host, count)?;
    let beside = requests(&bare.address, &bare.address, count)?;
    table.added("a URL, added to the web server behind it", &ours, &beside, GOAL_ADDED_MS);
    let ours = streams(&server.address, &host, count / STREAMS_SHARE)?;
    let beside = streams(&bare.address, &bare.address, count / STREAMS_SHARE)?;
    table.times("a stream's first piece, after it was written", &ours, &beside, GOAL_FIRST_BYTE_MS);
    server.stop()
}

/// The same server without a platform.
struct Bare {
    child: Child,
    address: String,
}

impl Bare {
    fn start(program: &Path) -> Result<Self, String> {
        let told = |error: io::Error| format!("the bare web server: {error}");
        // A free port: nothing else is started meanwhile that could take it.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let address = port.map_err(told)?;
        let mut command = Command::new(program);
        command.arg(SERVES).env("PORT", address.port().to_string()).stdin(Stdio::null());
        let bare = Self { child: command.spawn().map_err(told)?, address: address.to_string() };
        let begin = Instant::now();
        while TcpStream::connect(&bare.address).is_err() {
            if begin.elapsed() > UP_WITHIN {
                return Err("the bare web server never listened".into());
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(bare)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn request(path: &str, host: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes()
}

/// One request after another on one connection.
fn requests(address: &str, host: &str, count: usize) -> Result<Times, String> {
    let mut connection = Connection::open(address)?;
    let request = request("/", host);
    let mut samples = Vec::with_capacity(count);
    for at in 0..count + count / 10 {
        let begin = Instant::now();
        let answer = connection.ask(&request)?;
        let took = begin.elapsed();
        if answer.status != 200 || answer.body != b"hello ada" {
            return Err(format!("a wrong answer: {}", answer.head));
        }
        if at >= count / 10 {
            samples.push(took);
        }
    }
    Ok(Times::of(samples))
}

/// One stream after another: from when its first piece says that it was written until it is here.
fn streams(address: &str, host: &str, count: usize) -> Result<Times, String> {
    let told = |error: io::Error| format!("a stream: {error}");
    let mut stream = TcpStream::connect(address).map_err(told)?;
    stream.set_nodelay(true).and_then(|()| stream.set_read_timeout(Some(UP_WITHIN))).map_err(told)?;
    let request = request("/stream", host);
    let (mut samples, mut buffer) = (Vec::with_capacity(count), [0; 4 * 1024]);
    for _ in 0..count {
        stream.write_all(&request).map_err(told)?;
        let (mut received, mut first) = (Vec::new(), None);
        while !received.ends_with(LAST_CHUNK) {
            let length = stream.read(&mut buffer).map_err(told)?;
            if length == 0 {
                return Err("a stream was cut off".into());
            }
            received.extend_from_slice(&buffer[..length]);
            first = first.or_else(|| age(&received));
        }
        samples.push(first.ok_or("a stream said no time")?);
    }
    Ok(Times::of(samples))
}

/// How long ago the time was that a stream's first piece says, once it is here.
fn age(received: &[u8]) -> Option<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    let mut words = received.split(|byte| !byte.is_ascii_digit()).filter(|word| word.len() == DIGITS);
    let nanos: u64 = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
    now.checked_sub(Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_says_when_it_was_written() {
        assert_eq!(age(b"HTTP/1.1 200 OK\r\ndate: 2026\r\n\r\n14\r\n0000"), None);
        let piece = format!("{STREAM_HEAD}14\r\n{:0DIGITS$}\r\n", 5_000_000_000_u64);
        assert!(age(piece.as_bytes()).is_some_and(|age| age > Duration::from_secs(1_000_000_000)));
    }
}
