//! Many connections at once from one thread, so that the generator takes at most one of the cores. It signs
//! before the clock starts and looks at no more of an answer than tells its end and its status.

use std::convert::Infallible;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

/// Connections of a load.
pub const CONNECTIONS: usize = 64;

/// Which request comes next: of which connection, its how manieth.
type Choice = Rc<dyn Fn(usize, usize) -> usize>;

/// Requests that were answered with 200 and the right body, each second, over `connections` that ask again as soon
/// as they are answered. Any other answer is an error. The first fifth is not counted: it brings up the sandboxes.
pub fn per_second(
    address: &str,
    requests: Vec<Vec<u8>>,
    choice: impl Fn(usize, usize) -> usize + 'static,
    count: usize,
    connections: usize,
) -> Result<f64, String> {
    let (requests, choice): (Rc<[Vec<u8>]>, Choice) = (requests.into(), Rc::new(choice));
    let run = |from: usize, each: usize| {
        locally(async {
            let begin = Instant::now();
            let tasks: Vec<_> = (0..connections)
                .map(|number| {
                    let (requests, choice) = (Rc::clone(&requests), Rc::clone(&choice));
                    let address = address.to_owned();
                    tokio::task::spawn_local(async move {
                        let mut connection = Line::open(&address).await?;
                        for turn in from..from + each {
                            connection.ask(&requests[choice(number, turn)]).await?;
                        }
                        Ok::<_, io::Error>(())
                    })
                })
                .collect();
            for task in tasks {
                task.await??;
            }
            Ok(begin.elapsed())
        })
    };
    let each = (count / connections).max(1);
    run(0, each.div_ceil(5))?;
    let took = run(each.div_ceil(5), each)?;
    Ok((each * connections) as f64 / took.as_secs_f64())
}

/// Sends one request on each of `count` connections at once: how long until each was answered.
pub fn at_once(address: &str, request: &[u8], count: usize) -> Result<Vec<Duration>, String> {
    locally(async {
        let mut lines = Vec::with_capacity(count);
        for _ in 0..count {
            lines.push(Line::open(address).await?);
        }
        let request: Rc<[u8]> = request.into();
        let begin = Instant::now();
        let tasks: Vec<_> = lines
            .into_iter()
            .map(|mut line| {
                let request = Rc::clone(&request);
                tokio::task::spawn_local(async move {
                    line.ask(&request).await?;
                    Ok::<_, io::Error>(begin.elapsed())
                })
            })
            .collect();
        let mut took = Vec::with_capacity(count);
        for task in tasks {
            took.push(task.await??);
        }
        Ok(took)
    })
}

/// The same load answered by a loop that does nothing: what the sockets and the generator allow.
pub fn bare_per_second(count: usize) -> Result<f64, String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?.to_string();
    listener.set_nonblocking(true).map_err(|error| error.to_string())?;
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(answer_all(listener))
    });
    let request = crate::signing::request("POST", &address, "/bare", crate::calls::EVENT);
    per_second(&address, vec![request], |_, _| 0, count, CONNECTIONS)
}

/// Runs `work` on this thread alone.
pub fn locally<T>(work: impl Future<Output = io::Result<T>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(LocalSet::new().run_until(work)).map_err(|error| error.to_string())
}

/// One connection of a load.
pub struct Line {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Line {
    /// Connects.
    pub async fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(4 * 1024) })
    }

    /// Sends a request and reads its answer, whichever: its status.
    pub async fn try_to_ask(&mut self, request: &[u8]) -> io::Result<u16> {
        self.stream.write_all(request).await?;
        read_whole(&mut self.stream, &mut self.received).await?;
        let status = self.received.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        status.ok_or_else(|| io::Error::other("no status"))
    }

    async fn ask(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request).await?;
        read_whole(&mut self.stream, &mut self.received).await?;
        let fine = self.received.starts_with(b"HTTP/1.1 200") && self.received.ends_with(b"hello ada\"}");
        if fine { Ok(()) } else { Err(io::Error::other(String::from_utf8_lossy(&self.received).into_owned())) }
    }
}

async fn answer_all(listener: std::net::TcpListener) -> io::Result<Infallible> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(answer(stream));
    }
}

async fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut received = Vec::with_capacity(4 * 1024);
    loop {
        read_whole(&mut stream, &mut received).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 23\r\n\r\n{\"message\":\"hello ada\"}").await?;
    }
}

/// One message, request or answer, into an emptied buffer.
async fn read_whole(stream: &mut TcpStream, received: &mut Vec<u8>) -> io::Result<()> {
    received.clear();
    while !is_whole(received) {
        if stream.read_buf(received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

/// True when head and announced body are here. Allocates nothing.
fn is_whole(received: &[u8]) -> bool {
    const NAME: &[u8] = b"content-length:";
    let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let mut lines = received[..end].split(|byte| *byte == b'\n');
    let value = lines.find_map(|line| {
        let (name, value) = line.split_at_checked(NAME.len())?;
        name.eq_ignore_ascii_case(NAME).then(|| value.trim_ascii())
    });
    let digits = value.unwrap_or_default().iter().filter(|byte| byte.is_ascii_digit());
    let length = digits.fold(0, |sum: usize, digit| sum * 10 + usize::from(digit - b'0'));
    received.len() >= end + 4 + length
}

#[cfg(test)]
mod tests {
    use super::is_whole;

    #[test]
    fn a_message_is_whole_with_its_announced_body() {
        assert!(is_whole(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx: y\r\n\r\nab"));
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nab"));
        assert!(!is_whole(b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n"));
        assert!(is_whole(b"GET / HTTP/1.1\r\n\r\n"));
    }
}
