//! `lacewing cost`: the bill, from the records of what was used.

use super::client;
use super::list::{plain_table, right};
use crate::arguments::Connection;
use crate::failure::Failure;
use crate::output::Output;
use clap::Args;
use lacewing_lambda_api::CostReply;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::process::ExitCode;

/// Show what functions have cost.
///
/// The bill is the sum of the usage records, exact to the millisecond and not rounded, priced by a rate card. The
/// default card has AWS's published prices (us-east-1) without the free tier; `actual-use` prices the processor time
/// and memory really used.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  lacewing cost                                  this month, every function
  lacewing cost hello --from 2026-11-01 --to 2026-12-01
  lacewing cost --card actual-use
  lacewing cost --json | jq -r .total")]
pub struct Cost {
    /// Only this function.
    pub name: Option<String>,
    /// From this day or time on (UTC) [default: the first of this month].
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Until before this day or time (UTC) [default: now].
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// The rate card's name.
    #[arg(long, value_name = "NAME")]
    pub card: Option<String>,
    #[allow(missing_docs)]
    #[command(flatten)]
    pub connection: Connection,
}

impl Cost {
    /// Shows the bill.
    ///
    /// # Errors
    /// [`Failure`]: no server, or a refusal.
    pub async fn run(self, output: Output) -> Result<ExitCode, Failure> {
        let mut client = client(&self.connection)?;
        let bill = client.cost(&self.query()?).await?;
        if output.json {
            output.document(&serde_json::to_value(&bill).unwrap_or_default());
        } else {
            for line in table(&bill) {
                output.line(&line);
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn query(&self) -> Result<String, Failure> {
        let from = self.from.as_deref().map(instant).transpose()?;
        let to = self.to.as_deref().map(instant).transpose()?;
        let pairs = [("function", self.name.clone()), ("from", from), ("to", to), ("card", self.card.clone())];
        let mut query = String::new();
        for (name, value) in pairs {
            if let Some(value) = value {
                query.push(if query.is_empty() { '?' } else { '&' });
                query.push_str(&format!("{name}={}", utf8_percent_encode(&value, NON_ALPHANUMERIC)));
            }
        }
        Ok(query)
    }
}

/// A day or a time as RFC 3339 in UTC.
fn instant(said: &str) -> Result<String, Failure> {
    let day = || said.parse::<jiff::civil::Date>().ok()?.to_zoned_datetime(jiff::tz::TimeZone::UTC).ok();
    let time = said.parse::<jiff::Timestamp>().ok().or_else(|| day().map(|day| day.timestamp()));
    time.map(|time| time.to_string()).ok_or_else(|| {
        Failure::usage(format!("'{said}' is no time"), "write a day (2026-11-01) or a time (2026-11-01T09:00:00Z)")
    })
}

/// The bill as lines for people; also the demo's.
pub(super) fn table(bill: &CostReply) -> Vec<String> {
    let mut table = plain_table(["function", "meter", "quantity", "unit", "price", "cost"]);
    let mut last = "";
    for line in &bill.lines {
        let shown = if line.function == last { "" } else { &line.function };
        last = &line.function;
        let meter = if line.slice == "free" { format!("{}, free", line.meter) } else { line.meter.clone() };
        table.add_row([shown, &meter, &line.quantity, &line.unit, &line.unit_price, &line.cost]);
    }
    table.add_row(["total", "", "", "", &bill.currency, &bill.total]);
    right(&mut table, &[2, 4, 5]);
    let mut out: Vec<String> = table.trim_fmt().lines().map(str::to_owned).collect();
    out.push(String::new());
    out.push(format!(
        "calls: {}; billed: {} ms; rate card: {} of {}",
        bill.requests, bill.billed_ms, bill.card, bill.published
    ));
    out.push(format!("from {} to {}", bill.from, bill.to));
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use lacewing_lambda_api::CostLine;

    #[test]
    fn days_and_times_are_sent_as_utc() {
        assert_eq!(instant("2026-11-01").unwrap(), "2026-11-01T00:00:00Z");
        assert_eq!(instant("2026-11-01T09:00:00+01:00").unwrap(), "2026-11-01T08:00:00Z");
        assert!(instant("last week").is_err());
    }

    #[test]
    fn a_bill_names_each_function_once_and_keeps_every_digit() {
        let line = |meter: &str, quantity: &str, cost: &str| CostLine {
            region: "us-east-1".into(),
            function: "hello".into(),
            architecture: "x86_64".into(),
            meter: meter.into(),
            unit: "u".into(),
            slice: "tier-1".into(),
            quantity: quantity.into(),
            unit_price: "0.0000002".into(),
            cost: cost.into(),
        };
        let bill = CostReply {
            account: "000000000000".into(),
            from: "2026-11-01T00:00:00Z".into(),
            to: "2026-11-24T10:00:00Z".into(),
            card: "aws-us-east-1".into(),
            published: "2026-09-19".into(),
            currency: "USD".into(),
            lines: vec![line("requests", "3", "0.0000006"), line("duration", "0.00025", "0.00000000416670")],
            total: "0.00000060416670".into(),
            requests: 3,
            billed_ms: 2,
        };
        let shown = table(&bill).join("\n");
        assert_eq!(shown.matches("hello").count(), 1, "{shown}");
        assert!(shown.contains("0.00000060416670"), "{shown}");
        assert!(shown.contains("from 2026-11-01T00:00:00Z to 2026-11-24T10:00:00Z"), "{shown}");
    }
}
