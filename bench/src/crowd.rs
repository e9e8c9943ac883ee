//! Many calls at once: bursts to a cold function, cold starts without end, load, and load over many functions.

use crate::bare;
use crate::calls::{self, SLEEPY_EVENT};
use crate::figures::{Table, Times};
use crate::floor;
use crate::languages::Language;
use crate::load::{self, CONNECTIONS};
use crate::server::Server;
use crate::signing;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Calls of one burst, and what each of them sleeps: the ideal.
const BURST: usize = 100;
const SLEEP: Duration = Duration::from_millis(100);
/// Idle sandboxes of the last burst are gone, and the stock is full again, before the next.
const SHORT_LIVED: &str = "[scaling]\nkeep_alive_seconds = 1\n";
const BETWEEN_BURSTS: Duration = Duration::from_secs(4);
/// Room for so few sandboxes that going round so many functions makes every call a cold one.
const CRAMPED: &str = "[scaling]\nmemory_mib = 4096\n";
const CHURNED: usize = 256;
/// Callers that wait for cold starts at a time: twice the processors.
const CHURN_CONNECTIONS: usize = 4;
/// Functions that calls are spread over, and the room for all of them.
const MANY: usize = 300;
const ROOMY: &str = "[scaling]\nmemory_overcommit = 64\n";
/// Most starts under way that a fair Zipf run begins with are over after so many calls of it.
const SETTLE_CALLS: usize = 10_000;

/// A hundred calls at once to a cold function, each sleeping 100 ms: when the last is answered.
pub fn bursts(binary: &Path, language: &Language, count: usize, table: &mut Table) -> Result<(), String> {
    let server = Server::start(binary, SHORT_LIVED)?;
    let names = calls::deploy(&server, language, "burst", count + 1)?;
    let mut last_answers = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let request = signing::request("POST", &server.address, &calls::path_of(name), SLEEPY_EVENT);
        if at == 0 {
            load::at_once(&server.address, &request, 1)?; // what a first start pays once for all
        } else {
            thread::sleep(BETWEEN_BURSTS);
            last_answers.extend(load::at_once(&server.address, &request, BURST)?.into_iter().max());
        }
    }
    let what = format!("burst of {BURST} x {} ms, to the last answer: {}", SLEEP.as_millis(), language.name);
    let beside = (0..count).map(|_| bare::burst(&language.bare, BURST, SLEEPY_EVENT)).collect::<Result<_, _>>()?;
    table.times(&what, &Times::of(last_answers), &Times::of(beside), [language.goals.burst_ms, f64::INFINITY]);
    server.stop()
}

/// One cold start after the other, as many as the machine makes.
pub fn churn(binary: &Path, language: &Language, count: usize, table: &mut Table) -> Result<(), String> {
    let Some(goal) = language.goals.churn else { return Ok(()) };
    let server = Server::start(binary, CRAMPED)?;
    let names = calls::deploy(&server, language, "churn", CHURNED)?;
    let requests: Vec<_> = names.iter().map(|name| calls::request(&server, name)).collect();
    let each = CHURNED / CHURN_CONNECTIONS;
    let started = |server: &Server| Ok::<_, String>(server.starts()?.iter().map(|(_, count)| count).sum::<u64>());
    let (before, begin) = (started(&server)?, Instant::now());
    // Each connection goes round functions of its own.
    load::per_second(&server.address, requests, move |line, turn| line * each + turn % each, count, CHURN_CONNECTIONS)?;
    let (after, took) = (started(&server)?, begin.elapsed());
    let n = usize::try_from(after - before).unwrap_or_default();
    let what = format!("cold starts without end: {}", language.name);
    let beside = bare::starts_per_second(&language.bare, count / 4, CHURN_CONNECTIONS)?;
    table.rate(&what, "starts/s", n, n as f64 / took.as_secs_f64(), Some(beside), goal);
    server.stop()
}

/// Warm requests at 64 connections.
pub fn load(binary: &Path, language: &Language, count: usize, table: &mut Table) -> Result<(), String> {
    let server = Server::start(binary, "")?;
    let names = calls::deploy(&server, language, "load", 1)?;
    let request = calls::request(&server, &names[0]);
    let ours = load::per_second(&server.address, vec![request], |_, _| 0, count, CONNECTIONS)?;
    let beside = load::bare_per_second(count)?;
    let what = format!("warm at {CONNECTIONS} connections: {}", language.name);
    table.rate(&what, "requests/s", count, ours, Some(beside), language.goals.load);
    server.stop()
}

/// The same over 300 functions, whose shares of the calls fall as Zipf's law says, beside one function.
pub fn zipf(binary: &Path, language: &Language, count: usize, table: &mut Table) -> Result<(), String> {
    let server = Server::start(binary, ROOMY)?;
    let names = calls::deploy(&server, language, "zipf", MANY)?;
    let requests: Vec<_> = names.iter().map(|name| calls::request(&server, name)).collect();
    let one = load::per_second(&server.address, vec![requests[0].clone()], |_, _| 0, count, CONNECTIONS)?;
    let shares = Shares::new(MANY);
    let each = shares.each();
    let choose = move |line: usize, turn: usize| shares.choose((line as u64) << 32 | turn as u64);
    load::per_second(&server.address, requests.clone(), choose.clone(), count.min(SETTLE_CALLS), CONNECTIONS)?;
    let many = load::per_second(&server.address, requests, choose.clone(), count, CONNECTIONS)?;
    let beside = floor::share_of_one(&language.worker, &each, choose, count)?;
    let what = format!("{MANY} functions, Zipf arrivals, share of one function's {one:.0}/s: {}", language.name);
    table.rate(&what, "%", count, many / one * 100.0, Some(beside), 90.0);
    server.stop()
}

/// Zipf's law with exponent 1, as cumulative shares.
#[derive(Clone)]
struct Shares(Vec<f64>);

impl Shares {
    fn new(count: usize) -> Self {
        let weights = (1..=count).map(|rank| 1.0 / rank as f64);
        let sum: f64 = weights.clone().sum();
        Self(
            weights
                .scan(0.0, |total, weight| {
                    Some({
                        *total += weight / sum;
                        *total
                    })
                })
                .collect(),
        )
    }

    /// Each one's own share.
    fn each(&self) -> Vec<f64> {
        let before = [0.0].into_iter().chain(self.0.iter().copied());
        self.0.iter().zip(before).map(|(upto, before)| upto - before).collect()
    }

    /// The same choice for the same number. Source of the mixing: splitmix64.
    fn choose(&self, number: u64) -> usize {
        let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        let point = ((bits ^ bits >> 31) >> 11) as f64 / (1_u64 << 53) as f64;
        self.0.partition_point(|share| *share < point).min(self.0.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::Shares;

    #[test]
    fn the_first_of_many_gets_its_share_and_the_last_is_met() {
        let shares = Shares::new(300);
        let mut counts = vec![0; 300];
        for number in 0..100_000 {
            counts[shares.choose(number)] += 1;
        }
        assert!((14_000..18_000).contains(&counts[0]), "{}", counts[0]); // 1 / H(300) = 15.9 %
        assert!(counts[299] > 0);
    }
}
