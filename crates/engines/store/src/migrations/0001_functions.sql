-- What a function runs is a generation: code and configuration, frozen together. `$LATEST` points at one,
-- and so will published versions; `serving` is the one that calls get until `latest` lies ready.
CREATE TABLE generations (
    id           TEXT    NOT NULL PRIMARY KEY,
    config       TEXT    NOT NULL,
    code_sha256  TEXT    NOT NULL,
    code_bytes   INTEGER NOT NULL,
    modified_ms  INTEGER NOT NULL
);

CREATE TABLE functions (
    account      TEXT    NOT NULL,
    region       TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    revision     TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    reason_code  TEXT,
    reason       TEXT,
    tags         TEXT    NOT NULL,
    latest       TEXT    NOT NULL REFERENCES generations (id),
    serving      TEXT    REFERENCES generations (id),
    PRIMARY KEY (account, region, name)
);

CREATE INDEX functions_latest ON functions (latest);
CREATE INDEX functions_serving ON functions (serving);
