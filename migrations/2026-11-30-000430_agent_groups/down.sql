DROP TABLE agent_groups;
ALTER TABLE agents DROP COLUMN is_for_organization;
