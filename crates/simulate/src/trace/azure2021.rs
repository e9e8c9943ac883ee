//! Azure Functions 2021: one row for each invocation, by the second of its end.

use super::TraceError;
use super::table::Table;
use crate::workload::{Call, Function, MINUTE_US, RUN_US_MAX, Source, Trigger, Unpublished, memory};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::collections::HashMap;
use std::path::Path;

/// Rows that a trace may have: it is held in memory, 24 bytes each. The published one has two million.
pub const ROWS_MAX: usize = 100_000_000;
/// The latest end, seconds: a year.
const END_S_MAX: f64 = 366.0 * 86_400.0;
/// Memory of every function, MiB: this trace does not tell, so the median of the one of 2019.
const MEMORY_MIB: f64 = 170.0;

/// The trace, in order of arrival.
pub struct Azure2021 {
    functions: Vec<Function>,
    calls: Vec<Call>,
    /// Calls already given out.
    given: usize,
}

impl Azure2021 {
    /// Reads the whole trace.
    ///
    /// # Errors
    /// See [`TraceError`].
    pub fn read(file: &Path, seed: u64, unpublished: &Unpublished) -> Result<Self, TraceError> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut table = Table::open(file)?;
        let (app, func) = (table.column("app")?, table.column("func")?);
        let (end, duration) = (table.column("end_timestamp")?, table.column("duration")?);
        let (mut apps, mut index) = (HashMap::<Box<[u8]>, u32>::new(), HashMap::<(u32, Box<[u8]>), u32>::new());
        let mut trace = Self { functions: Vec::new(), calls: Vec::new(), given: 0 };
        while table.advance()? {
            if trace.calls.len() == ROWS_MAX {
                return Err(TraceError::TooMany { what: "rows", max: ROWS_MAX as u64 });
            }
            #[allow(clippy::cast_possible_truncation)] // fewer than `ROWS_MAX`
            let (next_app, next) = (apps.len() as u32, trace.functions.len() as u32);
            let owner = *apps.entry(table.bytes(app).into()).or_insert(next_app);
            let function = *index.entry((owner, table.bytes(func).into())).or_insert(next);
            if function == next {
                let (language, init) = unpublished.draw(&mut random);
                let memory = memory(MEMORY_MIB);
                trace.functions.push(Function { owner, trigger: Trigger::Other, language, memory, init });
            }
            let (end_s, run_s) = (table.number(end)?.min(END_S_MAX), table.number(duration)?);
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // both are from 0 on and bounded
            let (at_us, run_us) = (((end_s - run_s).max(0.0) * 1e6).round() as u64, (run_s * 1e6).round() as u64);
            #[allow(clippy::cast_possible_truncation)] // at most `RUN_US_MAX`
            trace.calls.push(Call { at_us, function, run_us: run_us.min(RUN_US_MAX) as u32 });
        }
        trace.calls.sort_by_key(|call| call.at_us);
        Ok(trace)
    }
}

impl Source for Azure2021 {
    fn title(&self) -> String {
        format!("azure 2021: {} functions, {} calls", self.functions.len(), self.calls.len())
    }

    fn functions(&self) -> &[Function] {
        &self.functions
    }

    fn minutes(&self) -> u32 {
        let last = self.calls.last().map_or(0, |call| call.at_us / MINUTE_US + 1);
        u32::try_from(last).unwrap_or(u32::MAX)
    }

    fn minute(&mut self, minute: u32, calls: &mut Vec<Call>) -> Result<(), TraceError> {
        let end_us = u64::from(minute + 1) * MINUTE_US;
        let left = &self.calls[self.given..];
        let count = left.partition_point(|call| call.at_us < end_us);
        calls.clear();
        calls.extend_from_slice(&left[..count]);
        self.given += count;
        Ok(())
    }
}
