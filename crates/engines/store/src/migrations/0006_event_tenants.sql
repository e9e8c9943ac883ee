-- The tenant that an event is for, where its function isolates its tenants.
ALTER TABLE events ADD COLUMN tenant TEXT;
