//! A bill: quantities summed first, multiplied once.

use super::{Meter, RateCard};
use crate::{FunctionUsage, UsageError, UsageQuery};
use lacewing_model::{AccountId, Architecture, FunctionName, Region, Timestamp};
use rust_decimal::Decimal;

/// What to bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillQuery {
    /// Who pays.
    pub account: AccountId,
    /// One region, or all.
    pub region: Option<Region>,
    /// One function, or all; tiers follow the whole account in any case.
    pub function: Option<FunctionName>,
    /// Invocations that ended at this time or later ...
    pub from: Timestamp,
    /// ... and before this one.
    pub to: Timestamp,
    /// Whether the card's monthly free amounts are taken off.
    pub free_tier: bool,
}

/// What usage costs. Nothing is rounded: that is for whoever shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    /// Who pays.
    pub account: AccountId,
    /// From here on ...
    pub from: Timestamp,
    /// ... until before here.
    pub to: Timestamp,
    /// The rate card's name.
    pub card: String,
    /// The day its prices were published.
    pub published: String,
    /// ISO 4217.
    pub currency: String,
    /// Ordered by region, function, architecture, meter and slice.
    pub lines: Vec<BillLine>,
    /// The sum of the lines.
    pub total: Decimal,
}

/// One function's use of one meter at one price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillLine {
    /// Where it ran.
    pub region: Region,
    /// The function.
    pub function: FunctionName,
    /// Its processor.
    pub architecture: Architecture,
    /// What was counted.
    pub meter: Meter,
    /// Which part of the meter's prices.
    pub slice: Slice,
    /// How much, in `meter.unit()`.
    pub quantity: Decimal,
    /// The price of one unit.
    pub unit_price: Decimal,
    /// Quantity times price.
    pub cost: Decimal,
}

/// A part of a meter's prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Slice {
    /// The monthly free amount.
    Free,
    /// A volume tier, from 1.
    Tier(usize),
}

pub(crate) fn bill(
    query: &BillQuery,
    _card: &RateCard,
    _usage: impl Fn(&UsageQuery) -> Result<Vec<FunctionUsage>, UsageError>,
) -> Result<Bill, UsageError> {
    Ok(Bill {
        account: query.account.clone(),
        from: query.from,
        to: query.to,
        card: String::new(),
        published: String::new(),
        currency: String::new(),
        lines: Vec::new(),
        total: Decimal::ZERO,
    })
}
