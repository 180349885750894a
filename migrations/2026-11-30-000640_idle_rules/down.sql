ALTER TABLE workspace_activity DROP COLUMN stopped_by;
DROP TABLE idle_rules;
