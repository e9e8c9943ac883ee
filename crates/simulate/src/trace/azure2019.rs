//! Azure Functions 2019: calls per function and minute, joined with percentiles of durations and of memory.

use super::TraceError;
use super::table::Table;
use crate::spread::{Durations, Minute, Rhythm};
use crate::workload::{Call, DAY_MINUTES, Function, Source, Trigger, Unpublished, memory, uniform};
use lacewing_model::MemoryMib;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Functions that a trace may have.
pub const FUNCTIONS_MAX: u32 = 1_000_000;

/// Durations of a function that has none in the trace: the published median, and some spread.
const DURATION_UNKNOWN: Durations = Durations::LogNormal { median_us: 0.9e6, sigma: 0.5 };
/// Memory of an app that has none in the trace: the published median, MiB.
const MEMORY_UNKNOWN_MIB: f64 = 170.0;

/// The columns of [`Durations::Percentiles`], in its order; ms.
const DURATION_COLUMNS: [&str; 7] = [
    "percentile_Average_0",
    "percentile_Average_1",
    "percentile_Average_25",
    "percentile_Average_50",
    "percentile_Average_75",
    "percentile_Average_99",
    "percentile_Average_100",
];

/// The trace: its functions, and the counts of the day that is played.
pub struct Azure2019 {
    functions: Vec<Function>,
    more: Vec<More>,
    /// One file a day.
    days: Vec<PathBuf>,
    index: HashMap<Name, u32>,
    /// Function and count, by minute of the day.
    today: Vec<Vec<(u32, u32)>>,
    random: ChaCha8Rng,
    gathered: Minute,
}

/// What this source knows of a function besides [`Function`].
struct More {
    durations: Durations,
    rhythm: Rhythm,
}

impl Azure2019 {
    /// Reads who there is. Counts are read day by day, while they are played.
    ///
    /// # Errors
    /// See [`TraceError`].
    pub fn read(
        days: Vec<PathBuf>,
        durations: &[PathBuf],
        memories: &[PathBuf],
        seed: u64,
        unpublished: &Unpublished,
    ) -> Result<Self, TraceError> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (durations, memories) = (read_durations(durations)?, read_memories(memories)?);
        let mut trace = Self {
            functions: Vec::new(),
            more: Vec::new(),
            days,
            index: HashMap::new(),
            today: Vec::new(),
            random: ChaCha8Rng::seed_from_u64(seed),
            gathered: Minute::default(),
        };
        let mut owners: HashMap<Box<[u8]>, u32> = HashMap::new();
        for day in trace.days.clone() {
            let mut table = Table::open(&day)?;
            let key = Key::of(&table)?;
            let trigger = table.column("Trigger")?;
            while table.advance()? {
                let name = key.function(&table);
                if trace.index.contains_key(&name) {
                    continue;
                }
                let next = next_index(trace.functions.len())?;
                let (language, init) = unpublished.draw(&mut random);
                let trigger = Trigger::named(&String::from_utf8_lossy(table.bytes(trigger)));
                let known = owners.len();
                trace.functions.push(Function {
                    owner: *owners.entry(table.bytes(key.owner).into()).or_insert(next_index(known)?),
                    trigger,
                    language,
                    memory: memories.get(&key.app(&table)).copied().unwrap_or_else(|| memory(MEMORY_UNKNOWN_MIB)),
                    init,
                });
                let phase = uniform(&mut random);
                trace.more.push(More {
                    durations: durations.get(&name).map_or(DURATION_UNKNOWN, |(durations, _)| *durations),
                    rhythm: if trigger == Trigger::Timer { Rhythm::Even(phase) } else { Rhythm::Random },
                });
                trace.index.insert(name, next);
            }
        }
        Ok(trace)
    }

    fn load(&mut self, day: &Path) -> Result<(), TraceError> {
        self.today = vec![Vec::new(); DAY_MINUTES as usize];
        let mut table = Table::open(day)?;
        let key = Key::of(&table)?;
        let first = table.column("1")?;
        while table.advance()? {
            let Some(&function) = self.index.get(&key.function(&table)) else { continue };
            for (minute, calls) in self.today.iter_mut().enumerate() {
                match table.count(first + minute)? {
                    0 => {}
                    count => calls.push((function, count)),
                }
            }
        }
        Ok(())
    }
}

impl Source for Azure2019 {
    fn title(&self) -> String {
        format!("azure 2019: {} functions, {} days", self.functions.len(), self.days.len())
    }

    fn functions(&self) -> &[Function] {
        &self.functions
    }

    fn minutes(&self) -> u32 {
        u32::try_from(self.days.len()).map_or(u32::MAX, |days| days.saturating_mul(DAY_MINUTES))
    }

    fn minute(&mut self, minute: u32, calls: &mut Vec<Call>) -> Result<(), TraceError> {
        let (day, of_day) = (minute / DAY_MINUTES, (minute % DAY_MINUTES) as usize);
        if of_day == 0
            && let Some(file) = self.days.get(day as usize).cloned()
        {
            self.load(&file)?;
        }
        for &(function, count) in self.today.get(of_day).into_iter().flatten() {
            self.gathered.add(function, count, self.more[function as usize].rhythm, &mut self.random);
        }
        let more = &self.more;
        self.gathered.finish(minute, |function| more[function as usize].durations, &mut self.random, calls);
        Ok(())
    }
}

fn next_index(known: usize) -> Result<u32, TraceError> {
    let next = u32::try_from(known).ok().filter(|&next| next < FUNCTIONS_MAX);
    next.ok_or(TraceError::TooMany { what: "functions", max: u64::from(FUNCTIONS_MAX) })
}

/// Where a row says whose it is.
struct Key {
    owner: usize,
    app: usize,
    function: Option<usize>,
}

impl Key {
    fn of(table: &Table) -> Result<Self, TraceError> {
        let function = table.has("HashFunction").then(|| table.column("HashFunction")).transpose()?;
        Ok(Self { owner: table.column("HashOwner")?, app: table.column("HashApp")?, function })
    }

    fn app(&self, table: &Table) -> Name {
        [table.bytes(self.owner), table.bytes(self.app)].join(&b',').into()
    }

    fn function(&self, table: &Table) -> Name {
        let function = self.function.map(|column| table.bytes(column)).unwrap_or_default();
        [table.bytes(self.owner), table.bytes(self.app), function].join(&b',').into()
    }
}

/// Owner, app and, where it is of a function, function: as [`Key`] joins them.
type Name = Box<[u8]>;

/// Percentiles by function, with how many executions they sum up: of several days the busiest stands for all.
fn read_durations(files: &[PathBuf]) -> Result<HashMap<Name, (Durations, f64)>, TraceError> {
    let mut durations = HashMap::<Name, (Durations, f64)>::new();
    for file in files {
        let mut table = Table::open(file)?;
        let (key, count) = (Key::of(&table)?, table.column("Count")?);
        let mut columns = [0; 7];
        for (column, name) in columns.iter_mut().zip(DURATION_COLUMNS) {
            *column = table.column(name)?;
        }
        while table.advance()? {
            let executions = table.number(count)?;
            let name = key.function(&table);
            if durations.get(&name).is_some_and(|(_, known)| *known >= executions) {
                continue;
            }
            let mut percentiles = [0.0; 7];
            for (percentile, &column) in percentiles.iter_mut().zip(&columns) {
                #[allow(clippy::cast_possible_truncation)] // microseconds of at most hours: a float holds them well
                let us = (table.number(column)? * 1_000.0) as f32;
                *percentile = us;
            }
            durations.insert(name, (Durations::Percentiles(percentiles), executions));
        }
    }
    Ok(durations)
}

/// What each app held at most: of several days the greatest.
fn read_memories(files: &[PathBuf]) -> Result<HashMap<Name, MemoryMib>, TraceError> {
    let mut memories = HashMap::<Name, MemoryMib>::new();
    for file in files {
        let mut table = Table::open(file)?;
        let key = Key::of(&table)?;
        let most = table.column("AverageAllocatedMb_pct100")?;
        while table.advance()? {
            let mib = memory(table.number(most)?);
            let held = memories.entry(key.app(&table)).or_insert(mib);
            *held = mib.max(*held);
        }
    }
    Ok(memories)
}
