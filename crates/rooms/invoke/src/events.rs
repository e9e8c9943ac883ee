//! What the queue of asynchronous calls asks of the corridor: may this be queued, how does it end, run it once more.

use crate::corridor::{Answer, Attempt, Call, Invoke, check_tenant};
use crate::detach::Detached;
use crate::error::InvokeError;
use bytes::Bytes;
use lacewing_catalog::records::{Document, EventInvoke};
use lacewing_model::{Qualifier, RequestId};
use std::sync::Arc;
use std::time::Duration;

/// Retries after the first attempt, where nobody says. Source: Lambda developer guide, "Asynchronous invocation".
const RETRIES: u32 = 2;
/// How old an event may be when it is run, where nobody says. Source: as above.
const AGE_MAX: Duration = Duration::from_secs(6 * 3_600);
/// The largest asynchronous event, bytes. Source: Lambda quotas.
const EVENT_BYTES_MAX: u64 = 1 << 20;

/// How the events of a function, a version or an alias are retried, and where they end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRules {
    /// The function's ARN, always with a qualifier.
    pub arn: String,
    /// Retries after the first attempt.
    pub retries_max: u32,
    /// How old an event may be when it is run.
    pub age_max: Duration,
    /// Where the result of a success goes: an ARN.
    pub on_success: Option<String>,
    /// Where an event goes that failed for good: an ARN.
    pub on_failure: Option<String>,
    /// The function's dead letter queue: an ARN.
    pub dead_letter: Option<String>,
    /// True where reserved concurrency switches the function off.
    pub switched_off: bool,
}

impl Invoke {
    /// Checks what can be checked of an asynchronous call before it is queued: the function is there, perhaps not ready
    /// yet, and the event is JSON and not too large.
    ///
    /// # Errors
    /// As [`Invoke::call`].
    pub fn check_event(&self, call: &Call) -> Result<Bytes, InvokeError> {
        let view = self.0.catalog.get(&call.scope, &call.name, call.qualifier.as_ref())?;
        check_tenant(&view.version.config, call.tenant.as_ref())?;
        let bytes = call.payload.len() as u64;
        if bytes > EVENT_BYTES_MAX {
            return Err(InvokeError::PayloadTooLarge { bytes, max: EVENT_BYTES_MAX, kind: "Event" });
        }
        self.0.check_payload(call.payload.clone())
    }

    /// How an event of `call` is retried and where it ends, as of now.
    ///
    /// # Errors
    /// [`InvokeError`] where it can never run: the function is gone, or it wants a tenant and the event names none.
    pub fn event_rules(&self, call: &Call) -> Result<EventRules, InvokeError> {
        let catalog = &self.0.catalog;
        let view = catalog.get(&call.scope, &call.name, call.qualifier.as_ref())?;
        check_tenant(&view.version.config, call.tenant.as_ref())?;
        let qualifier = call.qualifier.clone().unwrap_or(Qualifier::Latest);
        let key = call.scope.function_record(EventInvoke::FAMILY, &call.name, &qualifier.to_string());
        let config = catalog.record::<EventInvoke>(&key).map(|config| (*config).clone()).unwrap_or_default();
        Ok(EventRules {
            arn: call.scope.arn(&call.name, Some(&qualifier)).to_string(),
            retries_max: config.retries_max.unwrap_or(RETRIES),
            age_max: config.age_seconds_max.map_or(AGE_MAX, |seconds| Duration::from_secs(seconds.into())),
            on_success: config.on_success,
            on_failure: config.on_failure,
            dead_letter: view.version.config.dead_letter.clone(),
            switched_off: view.reserved == Some(0),
        })
    }

    /// Runs one attempt at an event: all of them bear its id.
    ///
    /// # Errors
    /// As [`Invoke::call`].
    ///
    /// # Cancel safety
    /// As [`Invoke::call`].
    pub async fn attempt(&self, call: Call, request_id: RequestId, number: u32) -> Result<Answer, InvokeError> {
        let inner = Arc::clone(&self.0);
        let attempt = Attempt { request_id, number };
        Detached::new(
            async move { inner.walk(call, None, attempt).await.inspect_err(|error| inner.count_failure(error)) },
        )
        .await
    }
}
