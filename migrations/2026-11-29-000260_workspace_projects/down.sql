ALTER TABLE workspaces DROP COLUMN project_id;
