-- Published versions point at generations, as `$LATEST` does: publishing copies nothing.
CREATE TABLE versions (
    account      TEXT    NOT NULL,
    region       TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    number       INTEGER NOT NULL,
    -- What its sandboxes are kept by: two versions may share a generation, never a sandbox.
    id           TEXT    NOT NULL,
    generation   TEXT    NOT NULL REFERENCES generations (id),
    revision     TEXT    NOT NULL,
    description  TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    reason_code  TEXT,
    reason       TEXT,
    modified_ms  INTEGER NOT NULL,
    provisioned           INTEGER,
    provisioned_since_ms  INTEGER,
    PRIMARY KEY (account, region, name, number),
    FOREIGN KEY (account, region, name) REFERENCES functions (account, region, name) ON DELETE CASCADE
);

CREATE INDEX versions_generation ON versions (generation);

CREATE TABLE aliases (
    account      TEXT    NOT NULL,
    region       TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    alias        TEXT    NOT NULL,
    revision     TEXT    NOT NULL,
    description  TEXT    NOT NULL,
    -- A published number; NULL for `$LATEST`.
    version      INTEGER,
    other        INTEGER,
    weight       REAL,
    provisioned           INTEGER,
    provisioned_since_ms  INTEGER,
    PRIMARY KEY (account, region, name, alias),
    FOREIGN KEY (account, region, name) REFERENCES functions (account, region, name) ON DELETE CASCADE
);

-- The newest number that was ever given: none is given twice.
ALTER TABLE functions ADD COLUMN published INTEGER NOT NULL DEFAULT 0;
-- Reserved concurrency; NULL where none is.
ALTER TABLE functions ADD COLUMN reserved INTEGER;
