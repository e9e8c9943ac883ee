-- Calls that nobody is waiting for, from the answer 202 until they have ended for good.
CREATE TABLE events (
    id             TEXT NOT NULL PRIMARY KEY,
    account        TEXT NOT NULL,
    region         TEXT NOT NULL,
    function       TEXT NOT NULL,
    qualifier      TEXT,
    payload        BLOB NOT NULL,
    trace_id       TEXT,
    client_context TEXT,
    arrived_ms     INTEGER NOT NULL,
    due_ms         INTEGER NOT NULL,
    -- Times that the function ran and failed, and times that it could not be run in a row.
    failures       INTEGER NOT NULL,
    refusals       INTEGER NOT NULL
) STRICT;
CREATE INDEX events_due ON events (due_ms);

-- What became of events whose destination is of a kind that cannot be reached yet: kept, the newest of them.
CREATE TABLE undelivered (
    number      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    destination TEXT NOT NULL,
    record      BLOB NOT NULL,
    at_ms       INTEGER NOT NULL
) STRICT;
