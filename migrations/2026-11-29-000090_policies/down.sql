ALTER TABLE organizations DROP COLUMN policy_version;
DROP TABLE policy_versions;
