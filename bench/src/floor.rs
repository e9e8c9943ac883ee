//! What many processes cost in place of a few, without any platform: the same workers, called directly over their
//! streams by one thread, as many calls under way at once. The processors' caches hold a few of them, not hundreds.

use crate::bare::{self, Worker};
use crate::languages::Bare;
use crate::load::{self, CONNECTIONS};
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Instant;

/// Workers of one function that wait for a call, the last one that was used on top.
type Idle = Rc<RefCell<Vec<Vec<Worker>>>>;

/// The rate of calls over `shares.len()` functions, whose calls `choose` picks, in percent of that over one.
pub fn share_of_one(
    bare: &Bare,
    functions: &[f64],
    choose: impl Fn(usize, usize) -> usize + Clone + 'static,
    count: usize,
) -> Result<f64, String> {
    let one = rate(bare, &[1.0], |_, _| 0, count)?;
    let many = rate(bare, functions, choose, count)?;
    Ok(many / one * 100.0)
}

fn rate(
    bare: &Bare,
    shares: &[f64],
    choose: impl Fn(usize, usize) -> usize + Clone + 'static,
    count: usize,
) -> Result<f64, String> {
    load::locally(async {
        // Enough of each that a call mostly finds one, as on the platform.
        let enough = |share: f64| (share * CONNECTIONS as f64 * 2.0).ceil().clamp(1.0, CONNECTIONS as f64) as usize;
        let mut idle = Vec::with_capacity(shares.len());
        for share in shares {
            let workers: io::Result<Vec<_>> = (0..enough(*share)).map(|_| bare::worker(bare)).collect();
            idle.push(workers?);
        }
        let idle: Idle = Rc::new(RefCell::new(idle));
        let begin = Instant::now();
        let each = count / CONNECTIONS;
        let tasks: Vec<_> = (0..CONNECTIONS)
            .map(|line| {
                let (idle, choose) = (Rc::clone(&idle), choose.clone());
                tokio::task::spawn_local(async move { call(line, each, &idle, choose).await })
            })
            .collect();
        let mut made = 0;
        for task in tasks {
            made += task.await??;
        }
        Ok(made as f64 / begin.elapsed().as_secs_f64())
    })
}

async fn call(line: usize, each: usize, idle: &Idle, choose: impl Fn(usize, usize) -> usize) -> io::Result<usize> {
    let mut made = 0;
    for turn in 0..each {
        let function = choose(line, turn);
        let worker = idle.borrow_mut()[function].pop();
        let mut worker = match worker {
            Some(worker) => worker,
            // All of this one's are busy: the next call is another's.
            None => {
                tokio::task::yield_now().await;
                continue;
            }
        };
        worker.ask().await?;
        idle.borrow_mut()[function].push(worker);
        made += 1;
    }
    Ok(made)
}
