ALTER TABLE workspace_variables DROP COLUMN source_id, DROP COLUMN source_path;
DELETE FROM scope_variables WHERE scope <> 'organization';
DELETE FROM scope_data_keys WHERE scope <> 'organization';
UPDATE workspace_variables SET source = 'organization' WHERE source IN ('group', 'project', 'user');
UPDATE workspace_variables SET overrides = 'organization' WHERE overrides IN ('group', 'project', 'user');
ALTER TABLE workspace_variables DROP CONSTRAINT workspace_variables_source_check;
ALTER TABLE workspace_variables ADD CONSTRAINT workspace_variables_source_check CHECK (source IN ('organization', 'workspace'));
ALTER TABLE workspace_variables DROP CONSTRAINT workspace_variables_overrides_check;
ALTER TABLE workspace_variables ADD CONSTRAINT workspace_variables_overrides_check CHECK (overrides IN ('organization'));
ALTER TABLE scope_variables DROP CONSTRAINT scope_variables_under_key;
ALTER TABLE scope_variables ADD CONSTRAINT scope_variables_organization_id_scope_scope_id_data_key_id_fkey
    FOREIGN KEY (organization_id, scope, scope_id, data_key_id) REFERENCES scope_data_keys (organization_id, scope, scope_id, id);
ALTER TABLE scope_data_keys DROP CONSTRAINT scope_data_keys_within, DROP COLUMN within_id;
DROP TABLE sealed_scopes;
ALTER TABLE scope_data_keys DROP CONSTRAINT scope_data_keys_scope_check;
ALTER TABLE scope_data_keys ADD CONSTRAINT scope_data_keys_scope_check CHECK (scope IN ('organization'));
