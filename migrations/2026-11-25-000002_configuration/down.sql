ALTER TABLE agents RESET (toast_tuple_target);
ALTER TABLE agents
    DROP COLUMN configuration,
    DROP COLUMN configuration_version,
    DROP COLUMN configuration_changed_at;
