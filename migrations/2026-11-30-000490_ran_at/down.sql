ALTER TABLE workspaces DROP COLUMN ran_at;
