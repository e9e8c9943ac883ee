//! The bare cost: the same interpreter or program, started and asked without any platform.

use crate::calls::EVENT;
use crate::connection::head;
use crate::figures::Times;
use crate::languages::{Bare, Language};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(25);

/// From exec to the first answer, each on a machine that was idle before.
pub fn cold(language: &Language, count: usize) -> Result<Times, String> {
    let mut samples = Vec::with_capacity(count);
    for _ in 0..count {
        thread::sleep(PAUSE);
        let begin = Instant::now();
        let mut asked = Asked::start(language)?;
        asked.ask()?;
        samples.push(begin.elapsed());
    }
    Ok(Times::of(samples))
}

/// One event after another to a process that is there.
pub fn warm(language: &Language, count: usize) -> Result<Times, String> {
    let mut asked = Asked::start(language)?;
    for _ in 0..count / 10 {
        asked.ask()?;
    }
    let mut samples = Vec::with_capacity(count);
    for _ in 0..count {
        let begin = Instant::now();
        asked.ask()?;
        samples.push(begin.elapsed());
    }
    Ok(Times::of(samples))
}

/// Takes away this shell's variables: some of them slow interpreters down, and no sandbox has them.
fn clean(command: &mut Command) -> &mut Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("LANG", "en_US.UTF-8")
}

/// A bare process and the way to it.
struct Asked {
    child: Child,
    way: Way,
}

enum Way {
    Lines { events: ChildStdin, answers: BufReader<ChildStdout> },
    Client(RuntimeApi),
}

impl Asked {
    fn start(language: &Language) -> Result<Self, String> {
        match &language.bare {
            Bare::Client(program) => RuntimeApi::start(program),
            Bare::Lines(interpreter, arguments) => {
                let mut command = Command::new(interpreter);
                clean(&mut command).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
                let mut child = command.spawn().map_err(|error| format!("{interpreter}: {error}"))?;
                let events = child.stdin.take().ok_or("no stdin")?;
                let answers = BufReader::new(child.stdout.take().ok_or("no stdout")?);
                Ok(Self { child, way: Way::Lines { events, answers } })
            }
        }
    }

    fn ask(&mut self) -> Result<(), String> {
        let told = |error: std::io::Error| format!("the bare process: {error}");
        let answer = match &mut self.way {
            Way::Client(api) => api.ask().map_err(told)?,
            Way::Lines { events, answers } => {
                events.write_all(&[EVENT, b"\n"].concat()).map_err(told)?;
                let mut answer = String::new();
                answers.read_line(&mut answer).map_err(told)?;
                answer
            }
        };
        if answer.contains("hello ada") { Ok(()) } else { Err(format!("the bare process answered {answer}")) }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The least Runtime API that a client of it needs: hands out one event and takes its answer.
struct RuntimeApi {
    listener: TcpListener,
    stream: Option<TcpStream>,
    received: Vec<u8>,
}

impl RuntimeApi {
    fn start(program: &Path) -> Result<Asked, String> {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        clean(&mut command).env("AWS_LAMBDA_RUNTIME_API", address.to_string()).env("AWS_LAMBDA_FUNCTION_NAME", "bare");
        command.env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST").env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128");
        let child = command.stdin(Stdio::null()).spawn().map_err(|error| error.to_string())?;
        Ok(Asked { child, way: Way::Client(Self { listener, stream: None, received: Vec::new() }) })
    }

    /// From handing the event out until its answer is here.
    fn ask(&mut self) -> std::io::Result<String> {
        if self.stream.is_none() {
            let stream = self.listener.accept()?.0;
            stream.set_nodelay(true)?;
            self.stream = Some(stream);
            self.read()?; // its first /next
        }
        let event = format!(
            "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
             Lambda-Runtime-Deadline-Ms: 4102444800000\r\nLambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:0:function:f\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
            EVENT.len(),
            String::from_utf8_lossy(EVENT)
        );
        self.write(event.as_bytes())?;
        let answer = self.read()?;
        self.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 15\r\n\r\n{\"status\":\"OK\"}")?;
        self.read()?; // the next /next
        Ok(answer)
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.as_mut().map_or(Ok(()), |stream| stream.write_all(bytes))
    }

    fn read(&mut self) -> std::io::Result<String> {
        self.received.clear();
        let mut buffer = [0; 8 * 1024];
        loop {
            if let Some(whole) = whole(&self.received) {
                return Ok(whole);
            }
            let stream = self.stream.as_mut().ok_or(std::io::ErrorKind::NotConnected)?;
            match stream.read(&mut buffer)? {
                // The client keeps one connection; should it open another, that one is taken up.
                0 => self.stream = Some(self.listener.accept()?.0),
                count => self.received.extend_from_slice(&buffer[..count]),
            }
        }
    }
}

/// The body of a request that is here as a whole, with or without a length.
fn whole(received: &[u8]) -> Option<String> {
    let (head, length) = head(received)?;
    let body = &received[head.len() + 4..];
    let is_whole =
        if head.contains("transfer-encoding: chunked") { body.ends_with(b"0\r\n\r\n") } else { body.len() >= length };
    is_whole.then(|| String::from_utf8_lossy(body).into_owned())
}
