-- Whose workspaces an agent takes: of the whole organisation, as every agent did before there was anything else, ...
ALTER TABLE agents ADD COLUMN is_for_organization boolean NOT NULL DEFAULT true;
GRANT UPDATE (is_for_organization) ON agents TO berth_app;

-- ... or of the projects within these groups.
CREATE TABLE agent_groups (
    organization_id uuid        NOT NULL REFERENCES organizations (id),
    agent_id        uuid        NOT NULL,
    group_id        uuid        NOT NULL,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (organization_id, agent_id, group_id),
    FOREIGN KEY (organization_id, agent_id) REFERENCES agents (organization_id, id),
    -- A group that is deleted has no projects, and so no workspaces.
    FOREIGN KEY (organization_id, group_id) REFERENCES groups (organization_id, id) ON DELETE CASCADE
);
-- Groups find theirs when they are looked at or deleted.
CREATE INDEX agent_groups_of_group ON agent_groups (organization_id, group_id);

ALTER TABLE agent_groups ENABLE ROW LEVEL SECURITY;
ALTER TABLE agent_groups FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_organization ON agent_groups
    USING (organization_id = nullif(current_setting('berth.organization', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('berth.organization', true), '')::uuid);
GRANT SELECT, INSERT, DELETE ON agent_groups TO berth_app;
