//! A bill: quantities summed first, multiplied once.

use super::{Meter, RateCard};
use crate::usage::{HOUR_MS, Hour};
use crate::{FunctionKey, Sums, UsageQuery};
use lacewing_model::{AccountId, Architecture, FunctionName, Region, Timestamp};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

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

/// Hands the rows of a query to a visitor.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(Hour, &FunctionKey, &Sums);

/// Sums `query`'s usage and prices it.
pub(crate) fn bill<E>(
    query: &BillQuery,
    card: &RateCard,
    usage: impl Fn(&UsageQuery, Visit<'_>) -> Result<(), E>,
) -> Result<Bill, E> {
    // Tiers and free amounts are the whole account's, and count from the first of the month.
    let whole = |from, to| UsageQuery { account: query.account.clone(), region: None, function: None, from, to };
    let month_start = Month::of(query.from).start();
    let mut before = Counts::default();
    if month_start < query.from {
        usage(&whole(month_start, query.from), &mut |hour, key, sums| before.add(card, hour, key, sums))?;
    }
    let mut counts = Counts::default();
    usage(&whole(query.from, query.to), &mut |hour, key, sums| counts.add(card, hour, key, sums))?;

    let mut prices = Prices::new(card, query.free_tier);
    for (group, functions) in before.0 {
        _ = prices.slices(&group, functions.values().sum());
    }
    let mut amounts: BTreeMap<Place, (u128, Decimal)> = BTreeMap::new();
    for (group, functions) in counts.0 {
        let slices = prices.slices(&group, functions.values().sum());
        for (function, slice, count, price) in share(functions, slices) {
            let place = Place {
                region: group.region.clone(),
                function,
                architecture: group.architecture,
                meter: group.meter,
                slice,
            };
            amounts.entry(place).or_insert((0, price)).0 += count;
        }
    }
    let wanted = |place: &Place| {
        query.region.as_ref().is_none_or(|region| place.region == *region)
            && query.function.as_ref().is_none_or(|function| place.function == *function)
    };
    let amounts = amounts.into_iter().filter(|(place, _)| wanted(place));
    let lines: Vec<BillLine> = amounts.map(|(place, (count, price))| line(place, count, price)).collect();
    Ok(Bill {
        account: query.account.clone(),
        from: query.from,
        to: query.to,
        card: card.name().to_owned(),
        published: card.published().to_owned(),
        currency: card.currency().to_owned(),
        total: lines.iter().map(|line| line.cost).sum::<Decimal>().normalize(),
        lines,
    })
}

/// Where an amount stands on the bill; also the bill's order.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    region: Region,
    function: FunctionName,
    architecture: &'static str,
    meter: Meter,
    slice: Slice,
}

fn line(place: Place, count: u128, unit_price: Decimal) -> BillLine {
    let Place { region, function, architecture, meter, slice } = place;
    let architecture = if architecture == Architecture::Arm.as_str() { Architecture::Arm } else { Architecture::X86 };
    let per_unit = Decimal::from(meter.counts_per_unit());
    // 28 digits hold every sum that a planet's worth of functions comes to.
    let count = i128::try_from(count).ok().and_then(|count| Decimal::try_from_i128_with_scale(count, 0).ok());
    let count = count.unwrap_or(Decimal::MAX);
    let quantity = count / per_unit;
    // Multiplied first, divided last: the product of whole count and price is exact.
    let cost =
        count.checked_mul(unit_price).map_or_else(|| quantity.saturating_mul(unit_price), |cost| cost / per_unit);
    BillLine {
        region,
        function,
        architecture,
        meter,
        slice,
        quantity: quantity.normalize(),
        unit_price: unit_price.normalize(),
        cost: cost.normalize(),
    }
}

/// What tiers are counted by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    month: Month,
    meter: Meter,
    region: Region,
    architecture: &'static str,
}

/// Whole counts of each group's functions.
#[derive(Default)]
struct Counts(BTreeMap<Group, BTreeMap<FunctionName, u128>>);

impl Counts {
    fn add(&mut self, card: &RateCard, hour: Hour, key: &FunctionKey, sums: &Sums) {
        let month = Month::of(Timestamp(hour.saturating_mul(HOUR_MS)));
        for meter in Meter::ALL {
            let count = meter.counts(sums);
            if count == 0 || card.tiers(meter, key.architecture).is_empty() {
                continue;
            }
            let group = Group { month, meter, region: key.region.clone(), architecture: key.architecture.as_str() };
            *self.0.entry(group).or_default().entry(key.function.clone()).or_default() += count;
        }
    }
}

/// The prices that the next counts of each group meet: what came before in the month decides.
struct Prices<'a> {
    card: &'a RateCard,
    free_tier: bool,
    free_used: BTreeMap<(Month, Meter), u128>,
    running: BTreeMap<Group, u128>,
}

impl<'a> Prices<'a> {
    fn new(card: &'a RateCard, free_tier: bool) -> Self {
        Self { card, free_tier, free_used: BTreeMap::new(), running: BTreeMap::new() }
    }

    /// Cuts `count` into slices of one price each. The free amount goes first, and to groups in their order.
    fn slices(&mut self, group: &Group, count: u128) -> Vec<(Slice, u128, Decimal)> {
        let mut slices = Vec::new();
        let mut left = count;
        if self.free_tier {
            let used = self.free_used.entry((group.month, group.meter)).or_default();
            let free = left.min(self.card.free(group.meter).saturating_sub(*used));
            *used += free;
            left -= free;
            slices.push((Slice::Free, free, Decimal::ZERO));
        }
        let architecture = if group.architecture == "arm64" { Architecture::Arm } else { Architecture::X86 };
        let running = self.running.entry(group.clone()).or_default();
        for (index, tier) in self.card.tiers(group.meter, architecture).iter().enumerate() {
            let room = tier.up_to.map_or(u128::MAX, |up_to| up_to.saturating_sub(*running));
            let part = left.min(room);
            *running += part;
            left -= part;
            slices.push((Slice::Tier(index + 1), part, tier.price));
        }
        slices.retain(|(_, part, _)| *part > 0);
        slices
    }
}

/// Gives each function its share of each slice: in proportion, in whole counts, and nothing is left over.
fn share(
    functions: BTreeMap<FunctionName, u128>,
    mut slices: Vec<(Slice, u128, Decimal)>,
) -> Vec<(FunctionName, Slice, u128, Decimal)> {
    let total: u128 = functions.values().sum();
    let whole: Vec<u128> = slices.iter().map(|(_, part, _)| *part).collect();
    let mut shares = Vec::new();
    for (function, count) in functions {
        let fair: Vec<u128> = whole.iter().map(|part| part.checked_mul(count).map_or(0, |all| all / total)).collect();
        let mut parts: Vec<u128> = fair.iter().zip(&slices).map(|(fair, (_, left, _))| *fair.min(left)).collect();
        // Division leaves a few counts over: they go where there is room.
        let mut missing = count - parts.iter().sum::<u128>();
        for (part, (_, left, _)) in parts.iter_mut().zip(&slices) {
            let more = missing.min(left - *part);
            *part += more;
            missing -= more;
        }
        for (part, (slice, left, price)) in parts.into_iter().zip(&mut slices) {
            *left -= part;
            if part > 0 {
                shares.push((function.clone(), *slice, part, *price));
            }
        }
    }
    shares
}

/// A calendar month in UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Month {
    year: i16,
    month: i8,
}

impl Month {
    fn of(time: Timestamp) -> Self {
        let millis = i64::try_from(time.0).unwrap_or(i64::MAX);
        let time = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
        let date = jiff::tz::Offset::UTC.to_datetime(time).date();
        Self { year: date.year(), month: date.month() }
    }

    fn start(self) -> Timestamp {
        let first = jiff::civil::date(self.year, self.month, 1).at(0, 0, 0, 0);
        let millis = jiff::tz::Offset::UTC.to_timestamp(first).map_or(0, jiff::Timestamp::as_millisecond);
        Timestamp(u64::try_from(millis).unwrap_or_default())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
