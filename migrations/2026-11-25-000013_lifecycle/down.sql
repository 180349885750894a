-- The role berth_lifecycle stays: it belongs to the whole Postgres, and other databases may use it.
DROP POLICY of_the_lifecycle ON workspace_transitions;
DROP POLICY of_the_lifecycle ON workspaces;
REVOKE SELECT (organization_id, at, desired_state, actual_state) ON workspace_transitions FROM berth_lifecycle;
REVOKE SELECT (organization_id, id, lifecycle_at) ON workspaces FROM berth_lifecycle;
REVOKE USAGE ON SCHEMA public FROM berth_lifecycle;
ALTER TABLE workspaces DROP COLUMN extended_hours, DROP COLUMN lifecycle_at;
