//! Sixty-four connections at once, each asking again as soon as it is answered: one thread, so that the
//! generator takes at most one of the cores.

use crate::connection::head;
use std::convert::Infallible;
use std::io;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const CONNECTIONS: usize = 64;

/// Answered requests per second; an answer that is not 200 is an error.
pub fn per_second(address: &str, request: &[u8], count: usize) -> Result<f64, String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let run = |each: usize| {
        runtime.block_on(async {
            let begin = Instant::now();
            let local = tokio::task::LocalSet::new();
            let tasks: Vec<_> = (0..CONNECTIONS)
                .map(|_| local.spawn_local(repeat(address.to_owned(), request.to_vec(), each)))
                .collect();
            local.await;
            for task in tasks {
                task.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
            }
            Ok::<_, String>(begin.elapsed())
        })
    };
    let each = count / CONNECTIONS;
    run(each / 5)?; // brings up the sandboxes
    let took = run(each)?;
    let answered = (each * CONNECTIONS) as f64;
    Ok(answered / took.as_secs_f64())
}

/// The same requests answered by a loop that does nothing: what the sockets and the generator allow.
pub fn bare_per_second(count: usize) -> Result<f64, String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?.to_string();
    listener.set_nonblocking(true).map_err(|error| error.to_string())?;
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(answer_all(listener))
    });
    let request = crate::signing::request("POST", &address, "/bare", crate::calls::EVENT);
    per_second(&address, &request, count)
}

async fn repeat(address: String, request: Vec<u8>, count: usize) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut received = Vec::with_capacity(4 * 1024);
    for _ in 0..count {
        stream.write_all(&request).await?;
        read_whole(&mut stream, &mut received).await?;
        if !received.starts_with(b"HTTP/1.1 200") {
            return Err(io::Error::other(String::from_utf8_lossy(&received).into_owned()));
        }
    }
    Ok(())
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
    loop {
        if let Some((head, length)) = head(received)
            && received.len() >= head.len() + 4 + length
        {
            return Ok(());
        }
        if stream.read_buf(received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
