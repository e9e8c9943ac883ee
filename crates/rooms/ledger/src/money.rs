//! From sums to money: rate cards, meters, bills.

mod bill;
mod card;
mod meter;

pub(crate) use bill::bill;
pub use bill::{Bill, BillLine, BillQuery, Slice};
pub use card::{CardError, RateCard};
pub use meter::Meter;
