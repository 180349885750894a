DELETE FROM idempotency_keys WHERE resource_kind IN ('group', 'project');
ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_resource_kind_check;
ALTER TABLE idempotency_keys ADD CONSTRAINT idempotency_keys_resource_kind_check CHECK (resource_kind IN ('agent', 'workspace'));
DROP TABLE projects;
DROP TABLE groups;
