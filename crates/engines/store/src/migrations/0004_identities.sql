-- Users, roles, managed policies and access keys of each account: small documents, read whole at start.
-- No secret lies here: those of access keys are derived from the data dir's seed.
CREATE TABLE identities (
    account   TEXT NOT NULL,
    kind      TEXT NOT NULL,
    name      TEXT NOT NULL,
    document  TEXT NOT NULL,
    PRIMARY KEY (account, kind, name)
) WITHOUT ROWID;
