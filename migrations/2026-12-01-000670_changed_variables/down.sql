REVOKE DELETE ON workspace_variables FROM berth_app;
ALTER TABLE workspace_variables DROP COLUMN taken_at;
ALTER TABLE workspaces DROP COLUMN variables_generation;
