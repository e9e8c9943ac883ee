//! The catalog under `kill -9` at any moment: a child process makes changes and says what it was told, the
//! parent kills it, opens what is left and compares.
#![allow(clippy::unwrap_used)]

mod support;

use lacewing_catalog::{AliasChange, Catalog, CatalogError, Publication};
use lacewing_model::{Qualifier, VersionNumber};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use support::{code, content, memory, name, names, new, open, owner, settled};

const CHILD: &str = "LACEWING_KILLED_CHILD";
const TEST: &str = "every_acknowledged_change_survives_a_kill";
const ROUNDS: u64 = 25;
const FUNCTIONS: u64 = 4;

/// What a version freezes, as its user knows it: code and memory.
type Frozen = (u64, u32);

/// A function as its user knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    latest: Frozen,
    versions: BTreeMap<u64, Frozen>,
    /// Where the alias leads.
    alias: Option<u64>,
}

/// `None` when there is none.
type State = Option<Known>;

/// Without blanks, so that it is one word of a line.
impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}{:?}{:?}", self.latest, self.versions, self.alias)
    }
}

fn word(state: &State) -> String {
    state.as_ref().map_or_else(|| "-".to_owned(), |known| known.to_string().replace(' ', ""))
}

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
fn run_and_kill(dir: &Path, round: u64, known: &mut BTreeMap<String, String>) -> BTreeMap<String, String> {
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
            let (function, state) = (words[1].to_owned(), words[2].to_owned());
            match words[0] {
                "begin" => drop(begun.insert(function, state)),
                _ => {
                    begun.remove(&function);
                    known.insert(function, state);
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

async fn check(dir: &Path, round: u64, known: &mut BTreeMap<String, String>, begun: &BTreeMap<String, String>) {
    let catalog = open(dir).await;
    let (mut codes, mut functions) = (BTreeSet::new(), 0);
    for number in 0..FUNCTIONS {
        let function = format!("f{number}");
        let found = state(&catalog, &function).await;
        let shown = word(&found);
        let acknowledged = known.get(&function).map_or("-", String::as_str);
        let allowed = shown == acknowledged || begun.get(&function).is_some_and(|begun| shown == *begun);
        assert!(allowed, "round {round}, {function}: found {shown}, known {acknowledged}, begun {begun:?}");
        for found in found.into_iter() {
            functions += 1;
            codes.extend(std::iter::once(&found.latest).chain(found.versions.values()).map(|(code, _)| *code));
        }
        known.insert(function, shown);
    }
    assert_eq!(catalog.totals(&owner()).functions, functions);
    drop(catalog);
    for folder in ["packages", "code"] {
        let names = names(dir, folder);
        assert_eq!(names.len(), codes.len(), "round {round}: {folder} holds {names:?}");
        assert!(names.iter().all(|name| !name.starts_with('.')), "round {round}: {names:?}");
    }
}

/// What the function is, once it is prepared; it must run what it shows.
async fn state(catalog: &Catalog, function: &str) -> State {
    let (owner, name) = (owner(), name(function));
    match catalog.get(&owner, &name, None) {
        Err(CatalogError::NotFound { .. }) => return None,
        Err(error) => panic!("{error}"),
        Ok(_) => {}
    }
    let view = settled(catalog, function).await;
    assert_eq!((view.state(), view.update_status()), ("Active", Some("Successful")));
    let runnable = catalog.resolve(&owner, &name, None).unwrap();
    assert_eq!(
        (&runnable.version.config, runnable.version.generation),
        (&view.version.config, view.version.generation)
    );
    let latest = (content(catalog, function).parse().unwrap(), view.version.config.memory.get());
    let mut versions = BTreeMap::new();
    for view in catalog.versions(&owner, &name, None, usize::MAX).unwrap().items {
        if let VersionNumber::Published(number) = view.version.number {
            versions.insert(number, frozen(catalog, function, number).await);
        }
    }
    let page = catalog.aliases(&owner, &name, None, None, usize::MAX).unwrap();
    let alias = page.items.first().map(|alias| match alias.version {
        VersionNumber::Published(number) => number,
        VersionNumber::Latest => panic!("the alias was never there"),
    });
    if let Some(number) = alias {
        let through = catalog.resolve(&owner, &name, Some(&Qualifier::Alias("live".into()))).unwrap();
        assert_eq!(through.version.number, VersionNumber::Published(number));
    }
    Some(Known { latest, versions, alias })
}

/// What a version runs, once it is prepared.
async fn frozen(catalog: &Catalog, function: &str, number: u64) -> Frozen {
    let qualifier = Qualifier::Number(number);
    loop {
        match catalog.resolve(&owner(), &name(function), Some(&qualifier)) {
            Ok(runnable) => {
                let code = std::fs::read_to_string(runnable.code.join("app.py")).unwrap();
                return (code.parse().unwrap(), runnable.version.config.memory.get());
            }
            Err(CatalogError::NotReady { state: "Pending", .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
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
    // Few different codes, so that functions share packages.
    let (new_code, new_memory) = (numbers.below(6), 128 + u32::try_from(numbers.below(64)).unwrap());
    let (kind, luck) = (numbers.below(8), numbers.below(1 << 20));
    let (step, next) = next(now.clone(), kind, luck, new_code, new_memory);
    say("begin", function, &next);
    loop {
        match make(catalog, function, &step).await {
            Ok(()) => break,
            Err(CatalogError::NotReady { .. } | CatalogError::UpdateInProgress { .. }) => {
                settled(catalog, function).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    say("told", function, &next);
    next
}

/// One thing that a user does.
enum Step {
    Create(u64),
    Delete,
    Memory(u32),
    Code(u64),
    Publish,
    DeleteVersion(u64),
    MakeAlias(u64),
    MoveAlias(u64),
    DeleteAlias,
}

/// What is to be done, and what must come of it.
fn next(now: State, kind: u64, luck: u64, new_code: u64, new_memory: u32) -> (Step, State) {
    let Some(mut known) = now else {
        let made = Known { latest: (new_code, 128), versions: BTreeMap::new(), alias: None };
        return (Step::Create(new_code), Some(made));
    };
    let any = known.versions.keys().nth(usize::try_from(luck).unwrap() % known.versions.len().max(1)).copied();
    let newest = known.versions.last_key_value().map(|(number, frozen)| (*number, *frozen));
    let step = match (kind, any) {
        (0, _) => return (Step::Delete, None),
        (1, _) => {
            known.latest.1 = new_memory;
            Step::Memory(new_memory)
        }
        // The newest one stays, so that the next number can be told from what there is.
        (2, Some(number)) if Some(number) != known.alias && newest.is_some_and(|(newest, _)| newest != number) => {
            known.versions.remove(&number);
            Step::DeleteVersion(number)
        }
        (3, Some(number)) => match known.alias.replace(number) {
            None => Step::MakeAlias(number),
            Some(_) => Step::MoveAlias(number),
        },
        (4, _) if known.alias.take().is_some() => Step::DeleteAlias,
        (5 | 6, _) => {
            // What has not changed is not published again.
            if newest.is_none_or(|(_, frozen)| frozen != known.latest) {
                known.versions.insert(newest.map_or(1, |(number, _)| number + 1), known.latest);
            }
            Step::Publish
        }
        _ => {
            known.latest.0 = new_code;
            Step::Code(new_code)
        }
    };
    (step, Some(known))
}

async fn make(catalog: &Catalog, function: &str, step: &Step) -> Result<(), CatalogError> {
    let (owner, name) = (owner(), name(function));
    let to = |number| AliasChange { version: Some(VersionNumber::Published(number)), ..Default::default() };
    match *step {
        Step::Create(content) => catalog.create(&owner, new(function, &content.to_string())).await.map(drop),
        Step::Delete => catalog.delete(&owner, &name, None).await,
        Step::Memory(mib) => catalog.update_config(&owner, &name, memory(mib)).await.map(drop),
        Step::Code(content) => catalog.update_code(&owner, &name, code(&content.to_string())).await.map(drop),
        Step::Publish => catalog.publish(&owner, &name, Publication::default()).await.map(drop),
        Step::DeleteVersion(number) => catalog.delete(&owner, &name, Some(&Qualifier::Number(number))).await,
        Step::MakeAlias(number) => {
            catalog.create_alias(&owner, &name, "live".parse().unwrap(), to(number)).await.map(drop)
        }
        Step::MoveAlias(number) => catalog.update_alias(&owner, &name, "live", to(number)).await.map(drop),
        Step::DeleteAlias => catalog.delete_alias(&owner, &name, "live").await,
    }
}

fn say(what: &str, function: &str, state: &State) {
    // One write, so that a kill cuts between lines.
    std::io::stdout().write_all(format!("@{what} {function} {}\n", word(state)).as_bytes()).unwrap();
}
