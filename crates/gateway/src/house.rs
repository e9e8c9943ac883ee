//! Our own endpoints, below `/_lacewing/`: what the AWS API has no words for. All but `health` are signed,
//! or bear the metrics token.

mod why;

use crate::answer::{blocking, ok};
use crate::asked::Asked;
use crate::functions::invalid;
use crate::reply::{self, Reply};
use crate::{Gateway, refusals};
use bytes::Bytes;
use http::header::HeaderValue;
use jiff::tz::TimeZone;
use lacewing_lambda_api::{ApiError, CostLine, CostReply, DoctorReply, ErrorCode, InterpreterReply, WallReply};
use lacewing_ledger::{Bill, BillLine, BillQuery, METRICS_CONTENT_TYPE, Moment, RateCard, Slice, UsageQuery};
use lacewing_model::{FunctionName, Timestamp};
use lacewing_sandbox::Strength;
use std::sync::Arc;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// `GET /_lacewing/health`: the process answers.
pub(crate) fn health() -> Reply {
    reply::bytes(200, JSON, Bytes::from_static(b"{\"status\":\"ok\"}"))
}

impl Gateway {
    pub(crate) async fn house(
        &self,
        asked: &Asked<'_>,
        method: &str,
        path: &str,
        body: Bytes,
    ) -> Result<Reply, ApiError> {
        match (method, path) {
            ("POST", "keys") => self.create_key(asked, body).await,
            ("GET", "keys") => self.list_keys(asked),
            ("DELETE", key) if key.starts_with("keys/") => {
                self.delete_key(asked, key.strip_prefix("keys/").unwrap_or_default()).await
            }
            ("GET", "cost") => self.cost(asked).await,
            ("GET", "doctor") => self.doctor(asked),
            ("GET", "metrics") => {
                // They tell of the whole node: of every account, and so for the server's own alone.
                if asked.caller.account != self.inner.account {
                    let text = "Metrics are of every account: only the server's own may read them.";
                    return Err(ApiError::new(ErrorCode::AccessDenied, text));
                }
                asked.permit(self, "lacewing:GetMetrics", || "*".to_owned())?;
                self.metrics().await
            }
            ("GET", layer) if layer.starts_with("layers/") => {
                self.layer_package(asked, layer.strip_prefix("layers/").unwrap_or_default()).await
            }
            ("GET", path) if path.starts_with("why/") => {
                self.why(asked, path.strip_prefix("why/").unwrap_or_default()).await
            }
            ("GET", package) if package.starts_with("packages/") => {
                self.package(asked, package.strip_prefix("packages/").unwrap_or_default()).await
            }
            _ => Err(ApiError::new(
                ErrorCode::ResourceNotFound,
                "There is no such endpoint. There are GET /_lacewing/health, /_lacewing/metrics, /_lacewing/cost, \
                 /_lacewing/doctor, /_lacewing/keys, /_lacewing/why/requests/ID and /_lacewing/why/functions/NAME.",
            )),
        }
    }

    /// Every figure of the node, as Prometheus reads it.
    pub(crate) async fn metrics(&self) -> Result<Reply, ApiError> {
        let inner = Arc::clone(&self.inner);
        // Thousands of series take milliseconds to write.
        let text = blocking(move || {
            let events = inner.events.waiting().map_err(refusals::events)?;
            let moment = Moment {
                events_waiting: events.events,
                events_waiting_bytes: events.bytes,
                events_oldest: events.oldest.unwrap_or_default(),
                ..inner.invoke.moment()
            };
            Ok(inner.ledger.metrics().expose(&moment))
        })
        .await?;
        Ok(reply::bytes(200, HeaderValue::from_static(METRICS_CONTENT_TYPE), text.into()))
    }

    async fn cost(&self, asked: &Asked<'_>) -> Result<Reply, ApiError> {
        asked.permit(self, "lacewing:GetCost", || "*".to_owned())?;
        let card = asked.query.get("card").unwrap_or(RateCard::BUILTIN[0].into());
        let card = RateCard::builtin(&card).map_err(|error| refusals::card(&error))?;
        let function = asked.query.get("function").map(|name| name.parse::<FunctionName>()).transpose();
        let function = function.map_err(|error| invalid(error.to_string()))?;
        let from = time(asked, "from")?.unwrap_or_else(|| month_of(asked.now));
        let to = time(asked, "to")?.unwrap_or(Timestamp(asked.now.0 + 1));
        let account = asked.caller.account.clone();
        let usage = UsageQuery { account: account.clone(), region: None, function: function.clone(), from, to };
        let bill = BillQuery { account, region: None, function, from, to, free_tier: false };
        let ledger = self.inner.ledger.clone();
        blocking(move || {
            let sums = ledger.usage(&usage).map_err(|error| refusals::usage(&error))?;
            let bill = ledger.bill(&bill, &card).map_err(|error| refusals::usage(&error))?;
            let requests = sums.iter().map(|row| row.sums.requests).sum();
            let billed_ms = sums.iter().map(|row| row.sums.billed_ms).sum();
            Ok(ok(200, &shown(&bill, requests, billed_ms)))
        })
        .await
    }

    fn doctor(&self, asked: &Asked<'_>) -> Result<Reply, ApiError> {
        asked.permit(self, "lacewing:GetDoctor", || "*".to_owned())?;
        let mut reply = DoctorReply {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            account: asked.caller.account.to_string(),
            ..DoctorReply::default()
        };
        if let Some((isolation, interpreters)) = self.inner.machine.get() {
            reply.driver = isolation.driver.to_owned();
            reply.full = isolation.is_full();
            reply.walls = isolation
                .walls
                .iter()
                .map(|wall| WallReply {
                    name: wall.name.to_owned(),
                    strength: match wall.strength {
                        Strength::Full => "full",
                        Strength::Weaker => "weaker",
                        Strength::Missing => "missing",
                    }
                    .to_owned(),
                    detail: wall.detail.clone(),
                })
                .collect();
            reply.interpreters = interpreters
                .iter()
                .map(|found| InterpreterReply {
                    language: found.language.to_owned(),
                    version: found.version.clone(),
                    path: found.path.display().to_string(),
                })
                .collect();
        }
        Ok(ok(200, &reply))
    }
}

fn shown(bill: &Bill, requests: u64, billed_ms: u64) -> CostReply {
    let line = |line: &BillLine| CostLine {
        region: line.region.to_string(),
        function: line.function.to_string(),
        architecture: line.architecture.as_str().to_owned(),
        meter: line.meter.as_str().to_owned(),
        unit: line.meter.unit().to_owned(),
        slice: match line.slice {
            Slice::Free => "free".to_owned(),
            Slice::Tier(number) => format!("tier-{number}"),
        },
        quantity: line.quantity.normalize().to_string(),
        unit_price: line.unit_price.normalize().to_string(),
        cost: line.cost.normalize().to_string(),
    };
    CostReply {
        account: bill.account.to_string(),
        from: rfc3339(bill.from),
        to: rfc3339(bill.to),
        card: bill.card.clone(),
        published: bill.published.clone(),
        currency: bill.currency.clone(),
        lines: bill.lines.iter().map(line).collect(),
        total: bill.total.normalize().to_string(),
        requests,
        billed_ms,
    }
}

/// A time of the query: RFC 3339.
fn time(asked: &Asked<'_>, key: &str) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = asked.query.get(key) else { return Ok(None) };
    let parsed = text.parse::<jiff::Timestamp>().ok().and_then(|time| u64::try_from(time.as_millisecond()).ok());
    let refused = || invalid(format!("'{key}' must be a time such as 2026-11-01T00:00:00Z."));
    parsed.map(Timestamp).map(Some).ok_or_else(refused)
}

fn stamp(time: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(i64::try_from(time.0).unwrap_or(i64::MAX)).unwrap_or(jiff::Timestamp::MAX)
}

fn rfc3339(time: Timestamp) -> String {
    stamp(time).to_string()
}

/// The first moment of the month that `now` lies in, UTC.
fn month_of(now: Timestamp) -> Timestamp {
    let first = TimeZone::UTC.to_datetime(stamp(now)).date().first_of_month().at(0, 0, 0, 0);
    let millis = TimeZone::UTC.to_timestamp(first).map_or(0, |first| first.as_millisecond());
    Timestamp(u64::try_from(millis).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bill_begins_with_the_month() {
        let now = Timestamp(1_795_489_200_123); // 2026-11-24T03:00:00.123Z
        assert_eq!(rfc3339(month_of(now)), "2026-11-01T00:00:00Z");
        assert_eq!(rfc3339(now), "2026-11-24T03:00:00.123Z");
    }
}
