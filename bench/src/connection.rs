//! One HTTP/1.1 connection, as thin as it gets, so that the client's own cost stays out of the figures.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A kept connection.
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// What came back.
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The header block, lower-cased.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub fn open(address: &str) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("{address}: {error}");
        let stream = TcpStream::connect(address).map_err(told)?;
        stream.set_nodelay(true).map_err(told)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(told)?;
        Ok(Self { stream, received: Vec::with_capacity(16 * 1024) })
    }

    /// Sends a whole request and reads the whole answer.
    pub fn ask(&mut self, request: &[u8]) -> Result<Answer, String> {
        self.stream.write_all(request).map_err(|error| format!("sending: {error}"))?;
        self.received.clear();
        let mut buffer = [0; 16 * 1024];
        loop {
            if let Some((head, length)) = head(&self.received) {
                let end = head.len() + 4 + length;
                if self.received.len() >= end {
                    let body = self.received[head.len() + 4..end].to_vec();
                    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
                    return Ok(Answer { status, head, body });
                }
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err("the server closed the connection".into()),
                Ok(count) => self.received.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("receiving: {error}")),
            }
        }
    }
}

/// The header block and the announced length, once all of it is here.
pub fn head(received: &[u8]) -> Option<(String, usize)> {
    let end = received.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&received[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok()).unwrap_or(0);
    Some((head, length))
}
