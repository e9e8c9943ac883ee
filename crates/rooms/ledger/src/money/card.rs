//! Rate cards: prices as data, read strictly.

use super::Meter;
use lacewing_model::Architecture;
use rust_decimal::Decimal;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Highest price of one unit, a bound against slips of the pen that would not fit a total.
const PRICE_MAX: u64 = 1_000_000_000;

/// A rate card that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rate card: {0}")]
pub struct CardError(pub String);

/// Prices of meters. A meter without a price costs nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateCard {
    name: String,
    title: String,
    currency: String,
    published: String,
    free: BTreeMap<Meter, u128>,
    prices: BTreeMap<(Meter, &'static str), Vec<Tier>>,
}

/// A volume tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tier {
    /// The running count of a month that it ends at; the last one has no end.
    pub up_to: Option<u128>,
    /// The price of one unit.
    pub price: Decimal,
}

/// A card as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    title: String,
    currency: String,
    published: String,
    #[serde(default)]
    free: BTreeMap<String, u64>,
    price: Vec<WrittenPrice>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPrice {
    meter: String,
    architecture: Option<String>,
    #[serde(default = "one")]
    per: u64,
    tiers: Vec<WrittenTier>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTier {
    up_to: Option<u64>,
    price: String,
}

fn one() -> u64 {
    1
}

impl RateCard {
    /// Names of the cards that come with the program; the first is the default.
    pub const BUILTIN: [&'static str; 2] = ["aws-us-east-1", "actual-use"];

    /// The card of that name that comes with the program.
    ///
    /// # Errors
    /// [`CardError`] when there is none; the text lists those there are.
    pub fn builtin(name: &str) -> Result<Self, CardError> {
        Self::parse(match name {
            "aws-us-east-1" => include_str!("../../cards/aws-us-east-1.toml"),
            "actual-use" => include_str!("../../cards/actual-use.toml"),
            _ => return Err(CardError(format!("'{name}' is unknown; there are {}", Self::BUILTIN.join(", ")))),
        })
    }

    /// Reads a card's TOML.
    ///
    /// # Errors
    /// [`CardError`] on unknown keys and meters, prices that are no decimals, tiers that do not rise.
    pub fn parse(toml: &str) -> Result<Self, CardError> {
        let written: Written = toml::from_str(toml).map_err(|error| CardError(error.to_string()))?;
        let meter = |name: &str| name.parse::<Meter>().map_err(CardError);
        let mut free = BTreeMap::new();
        for (name, units) in &written.free {
            let meter = meter(name)?;
            free.insert(meter, u128::from(*units) * u128::from(meter.counts_per_unit()));
        }
        let mut prices = BTreeMap::new();
        for price in &written.price {
            let meter = meter(&price.meter)?;
            let architectures = match price.architecture.as_deref() {
                None => vec![Architecture::X86, Architecture::Arm],
                Some("x86_64") => vec![Architecture::X86],
                Some("arm64") => vec![Architecture::Arm],
                Some(other) => return Err(CardError(format!("architecture '{other}' is neither x86_64 nor arm64"))),
            };
            let tiers = tiers(meter, price)?;
            for architecture in architectures {
                if prices.insert((meter, architecture.as_str()), tiers.clone()).is_some() {
                    return Err(CardError(format!("{meter} has two prices for {}", architecture.as_str())));
                }
            }
        }
        let Written { name, title, currency, published, .. } = written;
        Ok(Self { name, title, currency, published, free, prices })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is, for people.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// ISO 4217.
    #[must_use]
    pub fn currency(&self) -> &str {
        &self.currency
    }

    /// The day its prices were published, `YYYY-MM-DD`.
    #[must_use]
    pub fn published(&self) -> &str {
        &self.published
    }

    /// Counts of a meter that are free each month.
    pub(crate) fn free(&self, meter: Meter) -> u128 {
        self.free.get(&meter).copied().unwrap_or_default()
    }

    /// A meter's tiers; none where it costs nothing.
    pub(crate) fn tiers(&self, meter: Meter, architecture: Architecture) -> &[Tier] {
        self.prices.get(&(meter, architecture.as_str())).map_or(&[], Vec::as_slice)
    }
}

fn tiers(meter: Meter, price: &WrittenPrice) -> Result<Vec<Tier>, CardError> {
    let bad = |why: String| CardError(format!("{meter}: {why}"));
    if price.per == 0 {
        return Err(bad("'per' must be at least 1".into()));
    }
    let mut tiers: Vec<Tier> = Vec::new();
    for (index, tier) in price.tiers.iter().enumerate() {
        let last = index + 1 == price.tiers.len();
        if tier.up_to.is_none() != last {
            return Err(bad("every tier but the last needs 'up_to', the last has none".into()));
        }
        let up_to = tier.up_to.map(|units| u128::from(units) * u128::from(meter.counts_per_unit()));
        if tiers.last().is_some_and(|former| !last && up_to <= former.up_to) {
            return Err(bad("the tiers' 'up_to' must rise".into()));
        }
        let amount = Decimal::from_str_exact(&tier.price)
            .map_err(|error| bad(format!("price '{}' is no decimal: {error}", tier.price)))?;
        if amount.is_sign_negative() || amount > Decimal::from(PRICE_MAX) {
            return Err(bad(format!("price {amount} is not between 0 and {PRICE_MAX}")));
        }
        tiers.push(Tier { up_to, price: amount / Decimal::from(price.per) });
    }
    if tiers.is_empty() { Err(bad("no tiers".into())) } else { Ok(tiers) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const HEAD: &str = "name = 'n'\ntitle = 't'\ncurrency = 'USD'\npublished = '2026-01-01'\n";

    #[test]
    fn cards_that_come_with_the_program_are_sound() {
        for name in RateCard::BUILTIN {
            assert_eq!(RateCard::builtin(name).unwrap().name(), name);
        }
        assert!(RateCard::builtin("none").unwrap_err().to_string().contains("aws-us-east-1"));
        let card = RateCard::builtin("aws-us-east-1").unwrap();
        assert_eq!(card.tiers(Meter::Requests, Architecture::Arm)[0].price.to_string(), "0.0000002");
        assert_eq!(card.tiers(Meter::Duration, Architecture::Arm)[1].price.to_string(), "0.0000120001");
    }

    #[test]
    fn slips_are_errors() {
        let price = "[[price]]\nmeter = 'requests'\n";
        for (body, why) in [
            ("discount = 3\nprice = []".to_owned(), "unknown field"),
            (format!("{price}tiers = [{{ price = '1', upto = 3 }}]"), "unknown field"),
            ("[[price]]\nmeter = 'sunshine'\ntiers = [{ price = '1' }]".to_owned(), "is no meter"),
            (format!("{price}tiers = []"), "no tiers"),
            (format!("{price}tiers = [{{ price = 'cheap' }}]"), "no decimal"),
            (format!("{price}tiers = [{{ price = '-1' }}]"), "not between"),
            (format!("{price}tiers = [{{ price = 1.5 }}]"), "invalid type"),
            (format!("{price}tiers = [{{ price = '1' }}, {{ price = '2' }}]"), "needs 'up_to'"),
            (
                format!(
                    "{price}tiers = [{{ up_to = 5, price = '1' }}, {{ up_to = 5, price = '2' }}, {{ price = '3' }}]"
                ),
                "must rise",
            ),
            (format!("{price}tiers = [{{ price = '1' }}]\n{price}tiers = [{{ price = '1' }}]"), "two prices"),
            (format!("{price}per = 0\ntiers = [{{ price = '1' }}]"), "at least 1"),
            (format!("{price}architecture = 'mips'\ntiers = [{{ price = '1' }}]"), "neither"),
        ] {
            let error = RateCard::parse(&format!("{HEAD}{body}")).unwrap_err().to_string();
            assert!(error.contains(why), "{body}: {error}");
        }
    }
}
