ALTER TABLE workspaces DROP CONSTRAINT workspaces_generation_range;
