-- What an administrator sets of an agent: the document, and a version that goes up with every change of it. NULL, at
-- version 0: nothing was set, the server's own options hold.
ALTER TABLE agents
    ADD COLUMN configuration            jsonb,
    ADD COLUMN configuration_version    bigint NOT NULL DEFAULT 0 CHECK (configuration_version >= 0),
    ADD COLUMN configuration_changed_at timestamptz,
    ADD CHECK ((configuration IS NULL) = (configuration_version = 0)),
    ADD CHECK ((configuration IS NULL) = (configuration_changed_at IS NULL));

-- Every report of an agent writes its row. Out of line, the document is not copied each time.
ALTER TABLE agents SET (toast_tuple_target = 256);

GRANT UPDATE (configuration, configuration_version, configuration_changed_at) ON agents TO berth_app;
