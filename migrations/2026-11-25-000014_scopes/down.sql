-- The role berth_jobs stays, as berth_app does.
DROP POLICY for_jobs ON organizations;
REVOKE SELECT (id) ON organizations FROM berth_jobs;
REVOKE USAGE ON SCHEMA public FROM berth_jobs;
REVOKE UPDATE (kek_id, salt, wrapped_key) ON workspace_data_keys FROM berth_app;
DROP INDEX workspace_data_keys_by_kek;
ALTER TABLE workspace_variables
    DROP COLUMN source, DROP COLUMN source_version, DROP COLUMN source_set_at, DROP COLUMN source_final, DROP COLUMN overrides;
DROP TABLE scope_variables;
DROP TABLE scope_data_keys;
