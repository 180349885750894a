-- Whom ports of workspaces are open to beside whoever made the workspace, and until when. What is over stays until somebody shares
-- something of the workspace again.
CREATE TABLE port_shares (
    organization_id uuid        NOT NULL REFERENCES organizations (id),
    id              uuid        NOT NULL,
    workspace_id    uuid        NOT NULL,
    -- Never the editor's or sshd's: whom those let in may do everything there.
    port            integer     NOT NULL CHECK (port BETWEEN 1 AND 65535 AND port NOT IN (60001, 60022)),
    audience        text        NOT NULL CHECK (audience IN ('user', 'group', 'organization', 'public')),
    subject_id      uuid,
    group_id        uuid,
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL CHECK (expires_at > created_at),
    PRIMARY KEY (organization_id, id),
    CONSTRAINT port_shares_key UNIQUE NULLS NOT DISTINCT
        (organization_id, workspace_id, port, audience, subject_id, group_id),
    CONSTRAINT names_its_audience
        CHECK ((subject_id IS NOT NULL) = (audience = 'user') AND (group_id IS NOT NULL) = (audience = 'group')),
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, subject_id) REFERENCES subjects (organization_id, id),
    -- With a group ends what it was given.
    FOREIGN KEY (organization_id, group_id) REFERENCES groups (organization_id, id) ON DELETE CASCADE
);
-- Proxies are told of these.
CREATE INDEX port_shares_public ON port_shares (organization_id) WHERE audience = 'public';
-- Groups find theirs when they are deleted, members when they are removed.
CREATE INDEX port_shares_of_group ON port_shares (organization_id, group_id) WHERE group_id IS NOT NULL;
CREATE INDEX port_shares_of_subject ON port_shares (organization_id, subject_id) WHERE subject_id IS NOT NULL;

ALTER TABLE port_shares ENABLE ROW LEVEL SECURITY;
ALTER TABLE port_shares FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_organization ON port_shares
    USING (organization_id = nullif(current_setting('berth.organization', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('berth.organization', true), '')::uuid);
GRANT SELECT, INSERT, DELETE ON port_shares TO berth_app;
