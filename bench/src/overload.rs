//! Ten times the calls that there is room for: what is served then beside the best that can be, and what a refusal
//! takes.
//!
//! Calls come at their own pace, whatever becomes of those before: each takes a connection that is free. What limits
//! the service is room for sandboxes, not the processors, which the generator has a share of.

use crate::calls;
use crate::figures::{Table, Times};
use crate::languages::Language;
use crate::load::{self, Line};
use crate::server::Server;
use crate::signing;
use std::cell::RefCell;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval};

/// Sandboxes that there is room for, and what each call takes.
const ROOM: u64 = 10;
const SLEEP: Duration = Duration::from_millis(20);
/// What a function's sandbox is given, MiB.
const SANDBOX_MIB: u64 = 128;
/// Calls wait in line, at most a thousand of one function; every one of them holds a connection.
const CONNECTIONS: usize = 1_400;
const TIMES: u64 = 10;
const TICK: Duration = Duration::from_millis(1);
/// Until the line is full: nothing is counted before.
const FILLS_WITHIN: Duration = Duration::from_secs(2);
const SHARE_GOAL: f64 = 90.0;
const REFUSAL_GOAL_MS: [f64; 2] = [1.0, 1.0];
const SETTLE_CALLS: usize = 2_000;

/// What came of the calls that were counted.
#[derive(Default)]
struct Outcome {
    served: usize,
    refusals: Vec<Duration>,
    /// Calls for which no connection was free.
    unsent: usize,
    /// Calls that were answered in another way, or not at all.
    lost: usize,
}

/// Measures for so many seconds.
pub fn measure(binary: &Path, language: &Language, seconds: u64, table: &mut Table) -> Result<(), String> {
    let server = Server::start(binary, &format!("[scaling]\nmemory_mib = {}\n", ROOM * SANDBOX_MIB))?;
    let names = calls::deploy(&server, language, "crowded", 1)?;
    let event = format!("{{\"name\":\"ada\",\"sleep_ms\":{}}}", SLEEP.as_millis());
    let request = signing::request("POST", &server.address, &calls::path_of(&names[0]), event.as_bytes());
    // As many callers as there are sandboxes, each asking again at once: the best there can be.
    let lines = usize::try_from(ROOM).unwrap_or(usize::MAX);
    let best = load::per_second(&server.address, vec![request.clone()], |_, _| 0, SETTLE_CALLS, lines)?;
    let per_tick = TIMES * ROOM * 1_000 / u64::try_from(SLEEP.as_millis()).unwrap_or(u64::MAX) / 1_000;
    let span = Duration::from_secs(seconds);
    let outcome = load::locally(crowd(&server.address, &request, per_tick, span))?;
    if outcome.unsent > 0 || outcome.lost > 0 || outcome.refusals.is_empty() {
        let refused = outcome.refusals.len();
        return Err(format!("{} calls unsent, {} lost, {refused} refused", outcome.unsent, outcome.lost));
    }
    let served = outcome.served as f64 / span.as_secs_f64();
    let what = format!("{TIMES} times the calls that can be served, share of the best {best:.0}/s: {}", language.name);
    table.rate(&what, "%", outcome.served, served / best * 100.0, None, SHARE_GOAL);
    let refusals = Times::of(outcome.refusals);
    table.times("a refusal meanwhile, beside what a call takes", &refusals, &Times::of(vec![SLEEP]), REFUSAL_GOAL_MS);
    server.stop()
}

async fn crowd(address: &str, request: &[u8], per_tick: u64, span: Duration) -> io::Result<Outcome> {
    let free = Rc::new(RefCell::new(Vec::with_capacity(CONNECTIONS)));
    for _ in 0..CONNECTIONS {
        let line = Line::open(address).await?;
        free.borrow_mut().push(line);
    }
    let request: Rc<[u8]> = request.into();
    let outcome = Rc::new(RefCell::new(Outcome::default()));
    let counts_from = Instant::now() + FILLS_WITHIN;
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    while Instant::now() < counts_from + span {
        ticks.tick().await;
        for _ in 0..per_tick {
            let Some(line) = free.borrow_mut().pop() else {
                outcome.borrow_mut().unsent += 1;
                continue;
            };
            let call = Call { counts_from, counts_to: counts_from + span, outcome: Rc::clone(&outcome) };
            let (request, free, outcome) = (Rc::clone(&request), Rc::clone(&free), Rc::clone(&outcome));
            tokio::task::spawn_local(async move {
                match call.make(line, &request).await {
                    Ok(line) => free.borrow_mut().push(line),
                    Err(_) => outcome.borrow_mut().lost += 1,
                }
            });
        }
    }
    // What still waits in line ends with the server.
    Ok(outcome.take())
}

/// One call, and when it counts.
struct Call {
    counts_from: Instant,
    counts_to: Instant,
    outcome: Rc<RefCell<Outcome>>,
}

impl Call {
    async fn make(self, mut line: Line, request: &[u8]) -> io::Result<Line> {
        let begin = Instant::now();
        let status = line.try_to_ask(request).await?;
        let now = Instant::now();
        if now < self.counts_from || now > self.counts_to {
            return Ok(line);
        }
        let mut outcome = self.outcome.borrow_mut();
        match status {
            200 => outcome.served += 1,
            429 => outcome.refusals.push(now - begin),
            _ => return Err(io::Error::other(format!("answered with {status}"))),
        }
        Ok(line)
    }
}
