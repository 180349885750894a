-- Variables of groups, projects and members, beside those of the organisation.
ALTER TABLE scope_data_keys DROP CONSTRAINT scope_data_keys_scope_check;
ALTER TABLE scope_data_keys ADD CONSTRAINT scope_data_keys_scope_check
    CHECK (scope IN ('organization', 'group', 'project', 'user'));

-- Which of them ever had a data key, as `organizations.sealed` has it of the organisation. With a group or a project ends its row here, and
-- with the row its key and all that is under it; so they do when somebody is removed. A key that is gone otherwise is noticed.
CREATE TABLE sealed_scopes (
    organization_id uuid        NOT NULL REFERENCES organizations (id),
    scope           text        NOT NULL CHECK (scope IN ('group', 'project', 'user')),
    scope_id        uuid        NOT NULL,
    created_at      timestamptz NOT NULL,
    group_id        uuid GENERATED ALWAYS AS (CASE WHEN scope = 'group' THEN scope_id END) STORED,
    project_id      uuid GENERATED ALWAYS AS (CASE WHEN scope = 'project' THEN scope_id END) STORED,
    subject_id      uuid GENERATED ALWAYS AS (CASE WHEN scope = 'user' THEN scope_id END) STORED,
    PRIMARY KEY (organization_id, scope, scope_id),
    FOREIGN KEY (organization_id, group_id) REFERENCES groups (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, project_id) REFERENCES projects (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, subject_id) REFERENCES subjects (organization_id, id)
);
CREATE INDEX sealed_scopes_of_group ON sealed_scopes (organization_id, group_id) WHERE group_id IS NOT NULL;
CREATE INDEX sealed_scopes_of_project ON sealed_scopes (organization_id, project_id) WHERE project_id IS NOT NULL;
CREATE INDEX sealed_scopes_by_id ON sealed_scopes (organization_id, scope_id);

ALTER TABLE scope_data_keys
    ADD COLUMN within_id uuid GENERATED ALWAYS AS (CASE WHEN scope <> 'organization' THEN scope_id END) STORED,
    ADD CONSTRAINT scope_data_keys_within FOREIGN KEY (organization_id, scope, within_id)
        REFERENCES sealed_scopes (organization_id, scope, scope_id) ON DELETE CASCADE;
ALTER TABLE scope_variables DROP CONSTRAINT scope_variables_organization_id_scope_scope_id_data_key_id_fkey;
ALTER TABLE scope_variables ADD CONSTRAINT scope_variables_under_key
    FOREIGN KEY (organization_id, scope, scope_id, data_key_id)
    REFERENCES scope_data_keys (organization_id, scope, scope_id, id) ON DELETE CASCADE;

ALTER TABLE sealed_scopes ENABLE ROW LEVEL SECURITY;
ALTER TABLE sealed_scopes FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_organization ON sealed_scopes
    USING (organization_id = nullif(current_setting('berth.organization', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('berth.organization', true), '')::uuid);
-- Of a group and a project only with its own row, of somebody once they are removed.
CREATE POLICY of_who_was_removed ON sealed_scopes AS RESTRICTIVE FOR DELETE TO berth_app
    USING (EXISTS (SELECT FROM subjects s WHERE s.organization_id = sealed_scopes.organization_id
                   AND s.id = sealed_scopes.subject_id AND s.removed_at IS NOT NULL));
GRANT SELECT, INSERT, DELETE ON sealed_scopes TO berth_app;

-- Which group, project or user a workspace's value comes from, and what that was called when the workspace took it.
ALTER TABLE workspace_variables
    ADD COLUMN source_id   uuid,
    ADD COLUMN source_path text CHECK (length(source_path) BETWEEN 1 AND 1000);
ALTER TABLE workspace_variables DROP CONSTRAINT workspace_variables_source_check;
ALTER TABLE workspace_variables ADD CONSTRAINT workspace_variables_source_check
    CHECK (source IN ('organization', 'group', 'project', 'user', 'workspace')) NOT VALID;
ALTER TABLE workspace_variables DROP CONSTRAINT workspace_variables_overrides_check;
ALTER TABLE workspace_variables ADD CONSTRAINT workspace_variables_overrides_check
    CHECK (overrides IN ('organization', 'group', 'project', 'user')) NOT VALID;
