-- Keys that were bound do not open any more in a version of before.
DROP TRIGGER sealed_stays ON organizations;
DROP TRIGGER sealed_stays ON workspaces;
DROP FUNCTION sealed_stays();
ALTER TABLE organizations DROP COLUMN sealed;
ALTER TABLE workspaces DROP COLUMN sealed_variables;
DROP INDEX workspace_data_keys_unbound;
ALTER TABLE scope_data_keys DROP COLUMN contents;
ALTER TABLE workspace_data_keys DROP COLUMN contents;
