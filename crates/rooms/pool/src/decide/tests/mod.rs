//! The pool's decisions under tables and under random play.

#![allow(clippy::unwrap_used)]

mod fairness;
mod random;
mod shared;
mod tables;
mod tenants;
mod world;

use super::*;
use lacewing_model::{Concurrency, Egress, Language, MemoryMib};
use lacewing_sandbox::Preparation;
use std::num::NonZeroU64;
use std::time::Duration;
use world::World;

const PROVIDED: Preparation = Preparation { language: Language::Provided, egress: Egress::Internet, memory: None };

fn shape(mib: u32) -> Shape {
    shared(mib, 1)
}

/// A sandbox of it runs so many calls at once.
fn shared(mib: u32, concurrency: u32) -> Shape {
    let concurrency = Concurrency::new(concurrency).unwrap();
    Shape { memory: MemoryMib::new(mib).unwrap(), kind: PROVIDED, concurrency }
}

fn options() -> PoolOptions {
    PoolOptions {
        memory_mib: 1_024,
        sandboxes_max: 8,
        starts_at_once: 4,
        keep_alive: KeepAlive::Fixed(Duration::from_secs(60)),
        ..PoolOptions::default()
    }
}
