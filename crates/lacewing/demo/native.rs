//! The demo's native function: a client of the Lambda Runtime API in one file, on nothing but `std`.
//!
//! This is all that a custom runtime is: ask for the next event, answer it, again. Any executable that does so can be
//! deployed as `bootstrap` (`lacewing deploy ./program`).

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// The largest event, bytes: what the platform takes, and room for none more.
const EVENT_BYTES_MAX: usize = 6 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API")?;
    let mut connection = BufReader::new(TcpStream::connect(&api)?);
    connection.get_ref().set_nodelay(true)?;
    let mut calls = 0_u64;
    loop {
        let next = format!("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: {api}\r\n\r\n");
        connection.get_mut().write_all(next.as_bytes())?;
        let (headers, event) = answer(&mut connection)?;
        let id = header(&headers, "lambda-runtime-aws-request-id").ok_or("an event without an id")?;
        let event = String::from_utf8(event)?;

        calls += 1;
        println!("native: call {calls}, event {event}");
        let body = format!(r#"{{"from":"a native program","call":{calls},"event":{event}}}"#);

        let path = format!("/2018-06-01/runtime/invocation/{id}/response");
        let length = body.len();
        let post = format!("POST {path} HTTP/1.1\r\nHost: {api}\r\nContent-Length: {length}\r\n\r\n{body}");
        connection.get_mut().write_all(post.as_bytes())?;
        answer(&mut connection)?;
    }
}

/// Reads one HTTP answer: its headers, names in lower case, and its body.
fn answer(connection: &mut impl BufRead) -> Result<(Vec<(String, String)>, Vec<u8>), Box<dyn Error>> {
    let mut line = String::new();
    connection.read_line(&mut line)?;
    let status = line.split(' ').nth(1).unwrap_or_default().to_owned();
    if !status.starts_with('2') {
        return Err(format!("the Runtime API answers '{}'", line.trim()).into());
    }
    let mut headers = Vec::new();
    loop {
        line.clear();
        connection.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
            None => break,
        }
    }
    let length: usize = header(&headers, "content-length").map_or(Ok(0), str::parse)?;
    if length > EVENT_BYTES_MAX {
        return Err("the event is too large".into());
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    Ok((headers, body))
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
}
