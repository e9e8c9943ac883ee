-- Small documents that go with a function, a layer or an account: one table for all families. `function` is
-- empty for those that go with no function; the others are removed with theirs.
CREATE TABLE records (
    account      TEXT    NOT NULL,
    region       TEXT    NOT NULL,
    family       TEXT    NOT NULL,
    function     TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    revision     TEXT    NOT NULL,
    document     TEXT    NOT NULL,
    PRIMARY KEY (account, region, family, function, name)
) WITHOUT ROWID;

CREATE INDEX records_function ON records (account, region, function);
