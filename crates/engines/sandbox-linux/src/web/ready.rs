//! The wait until a server listens, and what its owner is told when it never does.

use super::way::Way;
use crate::attention::Event;
use crate::endings;
use crate::sandbox::LinuxSandbox;
use lacewing_sandbox::{FunctionError, SandboxError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// The first pause between two tries, and the longest: each is half as long again as the one before.
const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(20);
/// Where servers listen that were not told where, for the hint.
const USUAL_PORTS: [u16; 9] = [8_080, 8_000, 3_000, 5_000, 80, 4_000, 8_888, 5_173, 1_337];
/// How long the look for another port may take.
const LOOK_MAX: Duration = Duration::from_millis(200);

/// Why a server is not up.
pub(super) struct NotUp {
    pub(super) error: FunctionError,
    /// True: it was given all the time there is.
    pub(super) late: bool,
}

/// Waits until the server that `command` began takes a connection: the first one.
///
/// # Errors
/// The sandbox broke.
pub(super) async fn until_it_listens(
    sandbox: &mut LinuxSandbox,
    way: &Way,
    command: &str,
    (at, deadline): (Instant, Instant),
) -> Result<Result<TcpStream, NotUp>, SandboxError> {
    let event = sandbox.watch(probe(way), None, deadline).await?;
    let (error, late) = match event {
        Event::Guest(stream) => {
            sandbox.alive = true;
            return Ok(Ok(stream));
        }
        Event::Gone(error) => {
            sandbox.logs.drain();
            sandbox.logs.platform(format!(
                "WEB_SERVER_ENDED Command: {command}\tIt ended before it listened on port {}; a server runs on in the \
                 foreground. Its own output above may say why.",
                way.port()
            ));
            (error, false)
        }
        Event::OutOfMemory => (endings::out_of_memory(None), false),
        Event::Late => {
            let port = way.port();
            let seconds = deadline.saturating_duration_since(at).as_secs_f64();
            let hint = hint(sandbox, way).await;
            sandbox.logs.drain();
            sandbox
                .logs
                .platform(format!("WEB_SERVER_SILENT Command: {command}\tPort: {port}\tAfter: {seconds:.2} s\t{hint}"));
            let text = format!("The server did not listen on port {port} within {seconds:.2} seconds");
            (endings::told("Server.NotListening", None, &text), true)
        }
    };
    sandbox.reset().await;
    Ok(Err(NotUp { error, late }))
}

async fn probe(way: &Way) -> TcpStream {
    let mut pause = PAUSE_MIN;
    loop {
        if let Ok(stream) = way.connect().await {
            return stream;
        }
        sleep(pause).await;
        pause = (pause * 3 / 2).min(PAUSE_MAX);
    }
}

/// What to do about it; names the port where it does listen, if that is one of the usual ones.
async fn hint(sandbox: &mut LinuxSandbox, way: &Way) -> String {
    let look = async {
        for port in USUAL_PORTS.into_iter().filter(|&port| port != way.port()) {
            if way.connect_to(port).await.is_ok() {
                return port;
            }
        }
        std::future::pending().await
    };
    let soon = Instant::now() + LOOK_MAX;
    match timeout(LOOK_MAX, sandbox.watch(look, None, soon)).await {
        Ok(Ok(Event::Guest(port))) => format!(
            "It listens on port {port}: set the variable PORT={port} (lacewing deploy --web --port {port}), or have it \
             listen where PORT says."
        ),
        _ => "Have it listen on the port that the variable PORT names, at 0.0.0.0 or 127.0.0.1 \
              (AWS_LAMBDA_HTTP_ENDPOINT holds both); more memory makes a slow start faster."
            .to_owned(),
    }
}
