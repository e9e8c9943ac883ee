//! Calls that nobody is waiting for. A change is a list of steps in one transaction, so that an event and what follows
//! from it are never both there or both gone.

use crate::column::{parse, signed, unsigned};
use crate::{FunctionKey, Store, StoreError};
use lacewing_model::{AccountId, FunctionName, Qualifier, Region, RequestId, TenantId, Timestamp};
use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, ToSql, Transaction, params};

/// Records of undelivered results that are kept: the newest.
pub const UNDELIVERED_MAX: u64 = 10_000;
/// Bytes of them that are kept, but for those of the newest 64.
pub const UNDELIVERED_BYTES_MAX: u64 = 256 << 20;
/// Weighing them reads the whole table: it is done once for so many of them.
const WEIGHED_EVERY: u64 = 64;

/// An event that waits to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// The id of every attempt.
    pub id: RequestId,
    /// Whose function.
    pub account: AccountId,
    /// Where.
    pub region: Region,
    /// Its name.
    pub function: FunctionName,
    /// What the caller wrote behind the name.
    pub qualifier: Option<Qualifier>,
    /// The event itself: JSON.
    pub payload: Vec<u8>,
    /// The caller's trace header.
    pub trace_id: Option<String>,
    /// The client context, decoded.
    pub client_context: Option<String>,
    /// The tenant that it is for.
    pub tenant: Option<TenantId>,
    /// When it was taken.
    pub arrived: Timestamp,
    /// When it is to be run next.
    pub due: Timestamp,
    /// How often the function ran and failed.
    pub failures: u32,
    /// How often in a row it could not be run.
    pub refusals: u32,
}

/// How many events there are, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventCount {
    /// Events.
    pub events: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
}

impl EventCount {
    fn add(&mut self, payload_bytes: u64) {
        self.events += 1;
        self.bytes += payload_bytes;
    }
}

/// What a change has made of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventsChanged {
    /// New events.
    pub added: EventCount,
    /// Those that are gone.
    pub removed: EventCount,
}

/// One step of a change.
#[derive(Clone, Debug)]
pub enum EventStep {
    /// A new event.
    Add(Box<StoredEvent>),
    /// It is to be run again.
    PutOff {
        /// Which.
        id: RequestId,
        /// When.
        due: Timestamp,
        /// As in [`StoredEvent`].
        failures: u32,
        /// As in [`StoredEvent`].
        refusals: u32,
    },
    /// It has ended for good.
    Remove(RequestId),
    /// A result that could not be sent.
    Undelivered {
        /// Where it should have gone: an ARN.
        destination: String,
        /// What should have been sent: JSON.
        record: Vec<u8>,
        /// When.
        at: Timestamp,
    },
}

impl Store {
    /// Takes several steps in one transaction: durable when this returns.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing has changed.
    pub fn change_events<'a>(
        &self,
        steps: impl IntoIterator<Item = &'a EventStep>,
    ) -> Result<EventsChanged, StoreError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let mut changed = EventsChanged::default();
        for step in steps {
            take(&transaction, step, &mut changed)?;
        }
        transaction.commit()?;
        Ok(changed)
    }

    /// Events that are due, and their functions, the longest due first; at most `max`, and none of `passed_over`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn due_events(
        &self,
        now: Timestamp,
        passed_over: &[FunctionKey],
        max: usize,
    ) -> Result<Vec<(RequestId, FunctionKey)>, StoreError> {
        let connection = self.lock();
        let others = vec!["(?, ?, ?)"; passed_over.len()].join(", ");
        let but = match passed_over {
            [] => String::new(),
            _ => format!("AND (account, region, function) NOT IN (VALUES {others})"),
        };
        let due =
            format!("SELECT id, account, region, function FROM events WHERE due_ms <= ? {but} ORDER BY due_ms LIMIT ?");
        let mut statement = connection.prepare_cached(&due)?;
        let (now, max) = (signed(now.0), signed(max as u64));
        let passed_over =
            passed_over.iter().flat_map(|one| [one.account.as_str(), one.region.as_str(), one.name.as_str()]);
        let passed_over: Vec<&str> = passed_over.collect();
        let mut values: Vec<&dyn ToSql> = vec![&now];
        values.extend(passed_over.iter().map(|text| text as &dyn ToSql));
        values.push(&max);
        let mut rows = statement.query(values.as_slice())?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let function = FunctionKey { account: parse(row, 1)?, region: parse(row, 2)?, name: parse(row, 3)? };
            found.push((parse(row, 0)?, function));
        }
        Ok(found)
    }

    /// When the next event is due that is not due yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn next_event_after(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached("SELECT min(due_ms) FROM events WHERE due_ms > ?1")?;
        let due: Option<i64> = statement.query_row([signed(now.0)], |row| row.get(0))?;
        Ok(due.map(|due| Timestamp(unsigned(due))))
    }

    /// One event.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn event(&self, id: RequestId) -> Result<Option<StoredEvent>, StoreError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT id, account, region, function, qualifier, payload, trace_id, client_context, arrived_ms, due_ms, \
             failures, refusals, tenant FROM events WHERE id = ?1",
        )?;
        let mut rows = statement.query([id.to_string()])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        Ok(Some(StoredEvent {
            id,
            account: parse(row, 1)?,
            region: parse(row, 2)?,
            function: parse(row, 3)?,
            qualifier: match row.get_ref(4)? {
                ValueRef::Null => None,
                _ => Some(parse(row, 4)?),
            },
            payload: row.get(5)?,
            trace_id: row.get(6)?,
            client_context: row.get(7)?,
            tenant: match row.get_ref(12)? {
                ValueRef::Null => None,
                _ => Some(parse(row, 12)?),
            },
            arrived: Timestamp(unsigned(row.get(8)?)),
            due: Timestamp(unsigned(row.get(9)?)),
            failures: row.get(10)?,
            refusals: row.get(11)?,
        }))
    }

    /// How many events wait or run, and their bytes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn events_waiting(&self) -> Result<EventCount, StoreError> {
        let connection = self.lock();
        let sum = "SELECT count(*), coalesce(sum(length(payload)), 0) FROM events";
        let (events, bytes): (i64, i64) = connection.query_row(sum, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(EventCount { events: unsigned(events), bytes: unsigned(bytes) })
    }

    /// When the oldest event was taken.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn oldest_event(&self) -> Result<Option<Timestamp>, StoreError> {
        let connection = self.lock();
        // SQLite numbers rows in the order of their coming: no index by time is needed.
        let mut statement = connection.prepare_cached("SELECT arrived_ms FROM events ORDER BY rowid LIMIT 1")?;
        let arrived: Option<i64> = statement.query_row([], |row| row.get(0)).optional()?;
        Ok(arrived.map(|arrived| Timestamp(unsigned(arrived))))
    }

    /// Results that could not be sent, oldest first: destination and record.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn undelivered(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let connection = self.lock();
        let mut statement = connection.prepare("SELECT destination, record FROM undelivered ORDER BY number")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn take(transaction: &Transaction<'_>, step: &EventStep, changed: &mut EventsChanged) -> Result<(), StoreError> {
    match step {
        EventStep::Add(event) => {
            transaction
                .prepare_cached("INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)")?
                .execute(params![
                    event.id.to_string(),
                    event.account.as_str(),
                    event.region.as_str(),
                    event.function.as_str(),
                    event.qualifier.as_ref().map(ToString::to_string),
                    event.payload,
                    event.trace_id,
                    event.client_context,
                    signed(event.arrived.0),
                    signed(event.due.0),
                    event.failures,
                    event.refusals,
                    event.tenant.as_ref().map(TenantId::as_str),
                ])?;
            changed.added.add(event.payload.len() as u64);
        }
        EventStep::PutOff { id, due, failures, refusals } => {
            transaction
                .prepare_cached("UPDATE events SET due_ms = ?2, failures = ?3, refusals = ?4 WHERE id = ?1")?
                .execute(params![id.to_string(), signed(due.0), failures, refusals])?;
        }
        EventStep::Remove(id) => {
            let bytes: Option<i64> = transaction
                .prepare_cached("DELETE FROM events WHERE id = ?1 RETURNING length(payload)")?
                .query_row([id.to_string()], |row| row.get(0))
                .optional()?;
            if let Some(bytes) = bytes {
                changed.removed.add(unsigned(bytes));
            }
        }
        EventStep::Undelivered { destination, record, at } => {
            transaction
                .prepare_cached("INSERT INTO undelivered (destination, record, at_ms) VALUES (?1, ?2, ?3)")?
                .execute(params![destination, record, signed(at.0)])?;
            forget_old_results(transaction, unsigned(transaction.last_insert_rowid()))?;
        }
    }
    Ok(())
}

fn forget_old_results(transaction: &Transaction<'_>, newest: u64) -> Result<(), StoreError> {
    let mut forget = transaction.prepare_cached("DELETE FROM undelivered WHERE number <= ?1")?;
    forget.execute([signed(newest.saturating_sub(UNDELIVERED_MAX))])?;
    if newest.is_multiple_of(WEIGHED_EVERY) {
        let too_old: Option<i64> = transaction
            .prepare_cached(
                "SELECT max(number) FROM (SELECT number, sum(length(record)) OVER (ORDER BY number DESC) AS bytes \
                 FROM undelivered) WHERE bytes > ?1",
            )?
            .query_row([signed(UNDELIVERED_BYTES_MAX)], |row| row.get(0))?;
        forget.execute([too_old.unwrap_or_default()])?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn event(due: u64) -> StoredEvent {
        StoredEvent {
            id: RequestId::random(),
            account: "000000000000".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
            function: "f".parse().unwrap(),
            qualifier: Some("live".parse().unwrap()),
            payload: b"{\"a\":1}".to_vec(),
            trace_id: Some("Root=1".into()),
            client_context: None,
            tenant: Some("Blue Tenant".parse().unwrap()),
            arrived: Timestamp(due + 1),
            due: Timestamp(due),
            failures: 0,
            refusals: 0,
        }
    }

    fn due(store: &Store, now: u64) -> Vec<RequestId> {
        store.due_events(Timestamp(now), &[], 9).unwrap().into_iter().map(|(id, _)| id).collect()
    }

    #[test]
    fn events_of_some_functions_are_passed_over() {
        let store = Store::in_memory().unwrap();
        let key = |name: &str| FunctionKey { name: name.parse().unwrap(), ..event_key() };
        let all = ["a", "b", "c"].map(|name| StoredEvent { function: name.parse().unwrap(), ..event(1) });
        store.change_events(&all.clone().map(|event| EventStep::Add(Box::new(event)))).unwrap();
        let due = store.due_events(Timestamp(1), &[key("a"), key("c"), key("d")], 9).unwrap();
        assert_eq!(due, [(all[1].id, key("b"))]);
    }

    fn event_key() -> FunctionKey {
        let StoredEvent { account, region, function, .. } = event(0);
        FunctionKey { account, region, name: function }
    }

    #[test]
    fn events_are_due_in_their_order_and_come_back_as_they_were() {
        let store = Store::in_memory().unwrap();
        let (first, second, later) = (event(10), event(20), event(30));
        let add = |event: &StoredEvent| EventStep::Add(Box::new(event.clone()));
        let changed = store.change_events(&[add(&second), add(&first), add(&later)]).unwrap();
        assert_eq!(changed.added, EventCount { events: 3, bytes: 21 });
        assert_eq!(store.oldest_event().unwrap(), Some(second.arrived));
        assert_eq!(due(&store, 20), [first.id, second.id]);
        assert_eq!(store.next_event_after(Timestamp(20)).unwrap(), Some(Timestamp(30)));
        assert_eq!(store.event(first.id).unwrap(), Some(first.clone()));
        assert_eq!(store.events_waiting().unwrap(), changed.added);
        let off = EventStep::PutOff { id: first.id, due: Timestamp(40), failures: 1, refusals: 2 };
        let gone = [off, EventStep::Remove(second.id), EventStep::Remove(second.id)];
        let changed = store.change_events(&gone).unwrap();
        assert_eq!(changed.removed, EventCount { events: 1, bytes: 7 }, "what is gone is gone once");
        assert_eq!(store.oldest_event().unwrap(), Some(first.arrived));
        assert_eq!(due(&store, 40), [later.id, first.id]);
        assert_eq!(
            store.event(first.id).unwrap(),
            Some(StoredEvent { due: Timestamp(40), failures: 1, refusals: 2, ..first })
        );
    }

    #[test]
    fn what_follows_from_an_event_comes_with_its_end_or_not_at_all() {
        let store = Store::in_memory().unwrap();
        let (before, after) = (event(1), event(2));
        store.change_events(&[EventStep::Add(Box::new(before.clone()))]).unwrap();
        // The same id twice breaks the second step; the first must not stand.
        let twice =
            [EventStep::Remove(before.id), EventStep::Add(Box::new(after.clone())), EventStep::Add(Box::new(after))];
        assert!(store.change_events(&twice).is_err());
        assert_eq!(due(&store, 9), [before.id]);
    }

    #[test]
    fn undelivered_results_are_kept_and_bounded() {
        let store = Store::in_memory().unwrap();
        let one = |n: u64| EventStep::Undelivered {
            destination: "arn".into(),
            record: n.to_string().into_bytes(),
            at: Timestamp(n),
        };
        store.change_events(&(0..UNDELIVERED_MAX + 3).map(one).collect::<Vec<_>>()).unwrap();
        let kept = store.undelivered().unwrap();
        assert_eq!(kept.len() as u64, UNDELIVERED_MAX);
        assert_eq!(kept[0].1, b"3");
        let large = |n: u64| EventStep::Undelivered {
            destination: "arn".into(),
            record: vec![b'x'; 6 << 20],
            at: Timestamp(n),
        };
        for n in 0..2 * WEIGHED_EVERY {
            store.change_events(&[large(n)]).unwrap();
        }
        let bytes: u64 = store.undelivered().unwrap().iter().map(|(_, record)| record.len() as u64).sum();
        assert!(bytes <= UNDELIVERED_BYTES_MAX + WEIGHED_EVERY * (6 << 20), "{bytes}");
    }
}
