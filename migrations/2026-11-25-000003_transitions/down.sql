DROP TABLE workspace_transitions;
ALTER TABLE workspaces DROP COLUMN transitions;
