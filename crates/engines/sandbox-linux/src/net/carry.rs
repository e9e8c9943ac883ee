//! Carrying bytes between two connections until both directions have ended.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// What is taken at once. Buffers live only while bytes are in them: an idle connection holds none.
const PIECE_BYTES: usize = 64 * 1024;

/// Carries `inside` and `outside` to each other. An end of one direction is passed on as such (half-close);
/// a failure of either, or `idle_max` without a byte, resets both.
pub(super) async fn both_ways(inside: TcpStream, outside: TcpStream, idle_max: Duration) {
    let watch = IdleWatch::new(idle_max);
    // Small requests and answers go on at once. Failing to say so costs time, nothing else.
    let _ = (inside.set_nodelay(true), outside.set_nodelay(true));
    let carried = tokio::select! {
        carried = async { tokio::try_join!(one_way(&inside, &outside, &watch), one_way(&outside, &inside, &watch)) } => carried.is_ok(),
        () = watch.run_out() => false,
    };
    if !carried {
        reset(inside);
        reset(outside);
    }
}

/// Ends a connection so that its peer sees a failure, not an end.
pub(super) fn reset(stream: TcpStream) {
    // Where it fails the connection ends anyway, only more politely.
    let _ = stream.set_zero_linger();
}

async fn one_way(from: &TcpStream, to: &TcpStream, watch: &IdleWatch) -> io::Result<()> {
    loop {
        from.readable().await?;
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        match from.try_read_buf(&mut piece) {
            Ok(0) => break,
            Ok(_) => watch.moved(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        }
        let mut rest = &piece[..];
        while !rest.is_empty() {
            to.writable().await?;
            match to.try_write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            }
            watch.moved();
        }
        // Two fast ends would never let this task rest.
        tokio::task::consume_budget().await;
    }
    match rustix::net::shutdown(to, rustix::net::Shutdown::Write) {
        Ok(()) | Err(rustix::io::Errno::NOTCONN) => Ok(()), // it has ended by itself
        Err(error) => Err(error.into()),
    }
}

/// Knows when bytes last moved.
struct IdleWatch {
    start: Instant,
    idle_max: Duration,
    moved_ms: AtomicU64,
}

impl IdleWatch {
    fn new(idle_max: Duration) -> Self {
        Self { start: Instant::now(), idle_max, moved_ms: AtomicU64::new(0) }
    }

    fn moved(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved_ms.store(now, Ordering::Relaxed);
    }

    /// Returns when nothing has moved for `idle_max`.
    async fn run_out(&self) {
        loop {
            let moved_ms = self.moved_ms.load(Ordering::Relaxed);
            tokio::time::sleep_until(self.start + Duration::from_millis(moved_ms) + self.idle_max).await;
            if self.moved_ms.load(Ordering::Relaxed) == moved_ms {
                return;
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (near.unwrap(), far.unwrap().0)
    }

    #[tokio::test]
    async fn an_end_of_one_direction_leaves_the_other_open() {
        let (mut client, inside) = pair().await;
        let (outside, mut server) = pair().await;
        let carried = tokio::spawn(both_ways(inside, outside, Duration::from_secs(60)));
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut heard = String::new();
        server.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "question");
        server.write_all(b"answer after the end").await.unwrap();
        drop(server);
        heard.clear();
        client.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "answer after the end");
        carried.await.unwrap();
    }

    #[tokio::test]
    async fn a_reset_is_passed_on_as_a_reset() {
        let (mut client, inside) = pair().await;
        let (outside, server) = pair().await;
        let carried = tokio::spawn(both_ways(inside, outside, Duration::from_secs(60)));
        reset(server);
        let error = client.read(&mut [0]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        carried.await.unwrap();
    }

    #[tokio::test]
    async fn a_connection_that_lies_still_is_reset() {
        let (mut client, inside) = pair().await;
        let (outside, _server) = pair().await;
        both_ways(inside, outside, Duration::from_millis(1)).await;
        let error = client.read(&mut [0]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
