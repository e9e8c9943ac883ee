//! The catalog under `kill -9` at any moment: a child process makes changes and says what it was told, the
//! parent kills it, opens what is left and compares.
#![allow(clippy::unwrap_used)]

mod support;

use lacewing_catalog::{Catalog, CatalogError};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use support::{code, content, memory, name, names, new, open, owner, settled};

const CHILD: &str = "LACEWING_KILLED_CHILD";
const TEST: &str = "every_acknowledged_change_survives_a_kill";
const ROUNDS: u64 = 25;
const FUNCTIONS: u64 = 4;

/// A function as its user knows it: its code and its memory; `None` when there is none.
type State = Option<(u64, u32)>;

/// Numbers that look random and are the same in every run (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

#[test]
fn every_acknowledged_change_survives_a_kill() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let Ok(child) = std::env::var(CHILD) {
        let (seed, dir) = child.split_once(' ').unwrap();
        runtime.block_on(change_until_killed(seed.parse().unwrap(), Path::new(dir)));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut known = BTreeMap::new();
    for round in 0..ROUNDS {
        let begun = run_and_kill(dir.path(), round, &mut known);
        runtime.block_on(check(dir.path(), round, &mut known, &begun));
    }
}

/// Runs the child and kills it. What it was told goes into `known`, what it asked without an answer comes back.
fn run_and_kill(dir: &Path, round: u64, known: &mut BTreeMap<String, State>) -> BTreeMap<String, State> {
    let mut numbers = Numbers(round);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([TEST, "--exact", "--nocapture"])
        .env(CHILD, format!("{round} {}", dir.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines_left = numbers.below(80);
    let mut begun = BTreeMap::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // The test harness writes too, before our first line even on the same one.
        if let Some((_, told)) = line.split_once('@') {
            let words: Vec<_> = told.split(' ').collect();
            let state = (words[2] != "-").then(|| (words[2].parse().unwrap(), words[3].parse().unwrap()));
            match words[0] {
                "begin" => drop(begun.insert(words[1].to_owned(), state)),
                _ => {
                    begun.remove(words[1]);
                    known.insert(words[1].to_owned(), state);
                }
            }
        }
        if lines_left == 0 {
            // Between two lines too, not always right behind one.
            (0..numbers.below(2_000)).for_each(|_| std::thread::yield_now());
            child.kill().unwrap();
        }
        lines_left = lines_left.saturating_sub(1);
    }
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None, "the child ended before it was killed");
    begun
}

async fn check(dir: &Path, round: u64, known: &mut BTreeMap<String, State>, begun: &BTreeMap<String, State>) {
    let catalog = open(dir).await;
    let mut codes = BTreeSet::new();
    for number in 0..FUNCTIONS {
        let function = format!("f{number}");
        let found = state(&catalog, &function).await;
        let acknowledged = known.get(&function).copied().flatten();
        let allowed = found == acknowledged || begun.get(&function).is_some_and(|begun| found == *begun);
        assert!(allowed, "round {round}, {function}: found {found:?}, known {acknowledged:?}, begun {begun:?}");
        codes.extend(found.map(|(code, _)| code));
        known.insert(function, found);
    }
    assert_eq!(catalog.totals(&owner()).functions, known.values().flatten().count() as u64);
    drop(catalog);
    for folder in ["packages", "code"] {
        let names = names(dir, folder);
        assert_eq!(names.len(), codes.len(), "round {round}: {folder} holds {names:?}");
        assert!(names.iter().all(|name| !name.starts_with('.')), "round {round}: {names:?}");
    }
}

/// What the function is, once it is prepared; it must run what it shows.
async fn state(catalog: &Catalog, function: &str) -> State {
    match catalog.get(&owner(), &name(function), None) {
        Err(CatalogError::NotFound { .. }) => None,
        Err(error) => panic!("{error}"),
        Ok(_) => {
            let view = settled(catalog, function).await;
            assert_eq!((view.state(), view.update_status()), ("Active", Some("Successful")));
            let runnable = catalog.resolve(&owner(), &name(function), None).unwrap();
            assert_eq!(runnable.version, view.version);
            Some((content(catalog, function).parse().unwrap(), view.version.config.memory.get()))
        }
    }
}

/// The child: changes functions and says, before and after, what it does.
async fn change_until_killed(seed: u64, dir: &Path) -> ! {
    let catalog = open(dir).await;
    let workers = (0..FUNCTIONS).map(|number| {
        let catalog = catalog.clone();
        tokio::spawn(async move {
            let function = format!("f{number}");
            let mut numbers = Numbers(seed << 8 | number);
            let mut now = state(&catalog, &function).await;
            loop {
                now = change(&catalog, &function, now, &mut numbers).await;
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        let _: () = worker.await.unwrap();
    }
    std::process::exit(1)
}

async fn change(catalog: &Catalog, function: &str, now: State, numbers: &mut Numbers) -> State {
    let (owner, name) = (owner(), name(function));
    // Few different codes, so that functions share packages.
    let (new_code, new_memory) = (numbers.below(6), 128 + u32::try_from(numbers.below(64)).unwrap());
    let kind = numbers.below(4);
    let next = match (now, kind) {
        (None, _) => Some((new_code, 128)),
        (Some(_), 0) => None,
        (Some((code, _)), 1) => Some((code, new_memory)),
        (Some((_, memory)), _) => Some((new_code, memory)),
    };
    say("begin", function, next);
    loop {
        let done = match (now, kind) {
            (None, _) => catalog.create(&owner, new(function, &new_code.to_string())).await.map(drop),
            (Some(_), 0) => catalog.delete(&owner, &name, None).await,
            (Some(_), 1) => catalog.update_config(&owner, &name, memory(new_memory)).await.map(drop),
            (Some(_), _) => catalog.update_code(&owner, &name, code(&new_code.to_string())).await.map(drop),
        };
        match done {
            Ok(()) => break,
            Err(CatalogError::NotReady { .. } | CatalogError::UpdateInProgress { .. }) => {
                settled(catalog, function).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    say("told", function, next);
    next
}

fn say(what: &str, function: &str, state: State) {
    let state = state.map_or_else(|| "-".to_owned(), |(code, memory)| format!("{code} {memory}"));
    // One write, so that a kill cuts between lines.
    std::io::stdout().write_all(format!("@{what} {function} {state}\n").as_bytes()).unwrap();
}
