//! The bare cost: the same interpreter or program, started and asked without any platform.

use crate::calls::EVENT;
use crate::connection::head;
use crate::figures::Times;
use crate::languages::{self, Bare};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PAUSE: Duration = Duration::from_millis(25);

/// From exec to the first answer, each on a machine that was idle before.
pub fn cold(bare: &Bare, count: usize) -> Result<Times, String> {
    let mut samples = Vec::with_capacity(count);
    for _ in 0..count {
        thread::sleep(PAUSE);
        let begin = Instant::now();
        let mut asked = Asked::start(bare)?;
        asked.ask(EVENT)?;
        samples.push(begin.elapsed());
    }
    Ok(Times::of(samples))
}

/// One event after another to a process that is there: until the answer, without what it does then.
pub fn warm(bare: &Bare, count: usize) -> Result<Times, String> {
    let mut asked = Asked::start(bare)?;
    for _ in 0..count / 10 {
        asked.ask(EVENT)?;
    }
    Ok(Times::of((0..count).map(|_| asked.ask(EVENT)).collect::<Result<Vec<_>, _>>()?))
}

/// `count` processes started at once, each asked with `event`: until the last answer.
pub fn burst(bare: &Bare, count: usize, event: &[u8]) -> Result<Duration, String> {
    let begin = Instant::now();
    let each = |_| {
        let (bare, event) = (bare.clone(), event.to_vec());
        thread::spawn(move || {
            let mut asked = Asked::start(&bare)?;
            asked.ask(&event)?;
            // Its end is not waited for.
            Ok::<_, String>((begin.elapsed(), asked))
        })
    };
    let threads: Vec<_> = (0..count).map(each).collect();
    let mut last = Duration::ZERO;
    let mut ended = Vec::with_capacity(count);
    for thread in threads {
        let (answered, asked) = thread.join().map_err(|_| "a bare process was lost")??;
        last = last.max(answered);
        ended.push(asked);
    }
    Ok(last)
}

/// Processes started, asked once and ended each second, `at_once` at a time.
pub fn starts_per_second(bare: &Bare, count: usize, at_once: usize) -> Result<f64, String> {
    let begin = Instant::now();
    let each = |_| {
        let bare = bare.clone();
        thread::spawn(move || (0..count / at_once).try_for_each(|_| Asked::start(&bare)?.ask(EVENT).map(drop)))
    };
    let threads: Vec<_> = (0..at_once).map(each).collect();
    for thread in threads {
        thread.join().map_err(|_| "a bare process was lost")??;
    }
    Ok((count / at_once * at_once) as f64 / begin.elapsed().as_secs_f64())
}

/// A client of the Runtime API over TCP, for whoever asks many at once.
pub struct Worker {
    /// Ended with it.
    _child: Asked,
    stream: tokio::net::TcpStream,
    received: Vec<u8>,
}

/// Starts one, to the point where it asks for work. Must be called inside tokio.
pub fn worker(bare: &Bare) -> io::Result<Worker> {
    let Bare::Client(program) = bare else { return Err(io::Error::other("only clients are asked many at once")) };
    let mut child = Asked::start_client(program)?;
    let Way::Client(api) = &mut child.way else { return Err(io::ErrorKind::InvalidInput.into()) };
    let (stream, received) = (api.stream.try_clone()?, std::mem::take(&mut api.received));
    stream.set_nonblocking(true)?;
    Ok(Worker { stream: tokio::net::TcpStream::from_std(stream)?, received, _child: child })
}

impl Worker {
    /// One event, until it asks for the next.
    pub async fn ask(&mut self) -> io::Result<()> {
        self.stream.write_all(&event_for_client(EVENT)).await?;
        self.read().await?; // its answer
        self.stream.write_all(ACCEPTED).await?;
        self.read().await // the next /next
    }

    async fn read(&mut self) -> io::Result<()> {
        loop {
            if let Some((_, length)) = whole(&self.received) {
                self.received.drain(..length);
                return Ok(());
            }
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// A bare process and the way to it.
struct Asked {
    child: Child,
    way: Way,
}

enum Way {
    Lines { events: ChildStdin, answers: BufReader<ChildStdout> },
    Client(RuntimeApi<TcpStream>),
    Own(RuntimeApi<UnixStream>),
}

impl Asked {
    fn start(bare: &Bare) -> Result<Self, String> {
        match bare {
            Bare::Lines(interpreter, arguments) => {
                let mut command = Command::new(interpreter);
                clean(&mut command).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
                let mut child = command.spawn().map_err(|error| format!("{interpreter}: {error}"))?;
                let events = child.stdin.take().ok_or("no stdin")?;
                let answers = BufReader::new(child.stdout.take().ok_or("no stdout")?);
                Ok(Self { child, way: Way::Lines { events, answers } })
            }
            Bare::Client(program) => Self::start_client(program).map_err(|error| error.to_string()),
            Bare::Own(program) => Self::start_own(program).map_err(|error| error.to_string()),
        }
    }

    /// A client of the Runtime API over TCP, to the point where it asks for work.
    fn start_client(program: &languages::Command) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut command = Command::new(&program.program);
        clean(&mut command).env("AWS_LAMBDA_RUNTIME_API", listener.local_addr()?.to_string());
        let child = function(&mut command, program).stdin(Stdio::null()).spawn()?;
        let stream = listener.accept()?.0;
        stream.set_nodelay(true)?;
        let mut api = RuntimeApi { stream, received: Vec::new(), is_owed: None };
        api.read()?; // its first /next
        Ok(Self { child, way: Way::Client(api) })
    }

    /// One of our bootstraps over the stream that is its input, to the point where it asks for work.
    fn start_own(program: &languages::Command) -> io::Result<Self> {
        let (stream, theirs) = UnixStream::pair()?;
        let mut command = Command::new(&program.program);
        clean(&mut command).env("LACEWING_DOOR_FD", "0");
        let child = function(&mut command, program).stdin(Stdio::from(OwnedFd::from(theirs))).spawn()?;
        let mut api = RuntimeApi { stream, received: Vec::new(), is_owed: Some(false) };
        api.read()?;
        Ok(Self { child, way: Way::Own(api) })
    }

    /// How long one event took until its answer was here.
    fn ask(&mut self, event: &[u8]) -> Result<Duration, String> {
        let told = |error: io::Error| format!("the bare process: {error}");
        let begin = Instant::now();
        let (answer, took) = match &mut self.way {
            Way::Client(api) => api.ask(event).map_err(told)?,
            Way::Own(api) => api.ask(event).map_err(told)?,
            Way::Lines { events, answers } => {
                events.write_all(&[event, b"\n"].concat()).map_err(told)?;
                let mut answer = String::new();
                answers.read_line(&mut answer).map_err(told)?;
                (answer, begin.elapsed())
            }
        };
        if answer.contains("hello ada") { Ok(took) } else { Err(format!("the bare process answered {answer}")) }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Takes away this shell's variables: some of them slow interpreters down, and no sandbox has them.
fn clean(command: &mut Command) -> &mut Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("LANG", "en_US.UTF-8")
}

fn function<'a>(command: &'a mut Command, program: &languages::Command) -> &'a mut Command {
    let known = [("NAME", "bare"), ("VERSION", "$LATEST"), ("MEMORY_SIZE", "128")];
    for (name, value) in known {
        command.env(format!("AWS_LAMBDA_FUNCTION_{name}"), value);
    }
    command.args(&program.arguments).envs(program.environment.iter().map(|(name, value)| (name, value)))
}

/// The least Runtime API that a client of it needs: hands out one event and takes its answer.
struct RuntimeApi<S> {
    stream: S,
    received: Vec<u8>,
    /// Our bootstraps get the word that their answer was taken together with the next event: whether it is owed.
    is_owed: Option<bool>,
}

const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\nContent-Length: 15\r\n\r\n{\"status\":\"OK\"}";

/// An event as the Runtime API hands it out.
fn event_for_client(event: &[u8]) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
         Lambda-Runtime-Deadline-Ms: 4102444800000\r\nLambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:0:function:f\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
        event.len(),
        String::from_utf8_lossy(event)
    )
    .into_bytes()
}

impl<S: Read + Write> RuntimeApi<S> {
    /// The answer, and how long it took since the event was handed out.
    fn ask(&mut self, event: &[u8]) -> io::Result<(String, Duration)> {
        let mut sent = if self.is_owed == Some(true) { ACCEPTED.to_vec() } else { Vec::new() };
        sent.extend_from_slice(&event_for_client(event));
        let begin = Instant::now();
        self.stream.write_all(&sent)?;
        let answer = self.read()?;
        let took = begin.elapsed();
        match &mut self.is_owed {
            Some(owed) => *owed = true,
            None => self.stream.write_all(ACCEPTED)?,
        }
        self.read()?; // the next /next
        Ok((answer, took))
    }

    /// The next request's body.
    fn read(&mut self) -> io::Result<String> {
        let mut buffer = [0; 8 * 1024];
        loop {
            if let Some((body, length)) = whole(&self.received) {
                self.received.drain(..length);
                return Ok(body);
            }
            match self.stream.read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.received.extend_from_slice(&buffer[..count]),
            }
        }
    }
}

/// The body of a request that is here as a whole, with or without a length, and the bytes of it all.
fn whole(received: &[u8]) -> Option<(String, usize)> {
    const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
    let breaks = received.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let (head, length) = head(&received[breaks..])?;
    let start = breaks + head.len() + 4;
    let body = &received[start..];
    let length = if head.contains("transfer-encoding: chunked") {
        body.windows(LAST_CHUNK.len()).position(|part| part == LAST_CHUNK)? + LAST_CHUNK.len()
    } else {
        length
    };
    let body = body.get(..length)?;
    Some((String::from_utf8_lossy(body).into_owned(), start + length))
}
