ALTER TABLE organizations DROP COLUMN git_version;
DROP TABLE git_credentials;
