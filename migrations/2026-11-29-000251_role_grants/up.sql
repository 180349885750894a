-- What somebody is at a group or a project, and so at all below it.
CREATE TABLE role_grants (
    organization_id uuid        NOT NULL REFERENCES organizations (id),
    id              uuid        NOT NULL,
    subject_id      uuid        NOT NULL,
    group_id        uuid,
    project_id      uuid,
    role            text        NOT NULL CHECK (length(role) BETWEEN 1 AND 50),
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, subject_id) REFERENCES subjects (organization_id, id),
    -- With a place ends what somebody was there.
    FOREIGN KEY (organization_id, group_id) REFERENCES groups (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, project_id) REFERENCES projects (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT at_one_place CHECK ((group_id IS NULL) <> (project_id IS NULL))
);
CREATE UNIQUE INDEX role_grants_at_group ON role_grants (organization_id, group_id, subject_id) WHERE group_id IS NOT NULL;
CREATE UNIQUE INDEX role_grants_at_project ON role_grants (organization_id, project_id, subject_id) WHERE project_id IS NOT NULL;
CREATE INDEX role_grants_of_subject ON role_grants (organization_id, subject_id);

ALTER TABLE role_grants ENABLE ROW LEVEL SECURITY;
ALTER TABLE role_grants FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_organization ON role_grants
    USING (organization_id = nullif(current_setting('berth.organization', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('berth.organization', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE (role), DELETE ON role_grants TO berth_app;
