-- What an agent has in its cluster and the server does not know. A row lives as long as it is reported.
CREATE TABLE orphans (
    organization_id    uuid        NOT NULL,
    agent_id           uuid        NOT NULL,
    workspace_id       uuid        NOT NULL,
    name               text        NOT NULL CHECK (length(name) BETWEEN 1 AND 33),
    namespace          text        NOT NULL CHECK (length(namespace) BETWEEN 1 AND 63),
    first_seen_at      timestamptz NOT NULL,
    -- An administrator allowed its removal.
    removal_allowed_at timestamptz,
    removal_allowed_by uuid,
    PRIMARY KEY (organization_id, agent_id, workspace_id),
    FOREIGN KEY (organization_id, agent_id) REFERENCES agents (organization_id, id),
    FOREIGN KEY (organization_id, removal_allowed_by) REFERENCES access_tokens (organization_id, id),
    CHECK ((removal_allowed_at IS NULL) = (removal_allowed_by IS NULL))
);
ALTER TABLE orphans ENABLE ROW LEVEL SECURITY;
ALTER TABLE orphans FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_organization ON orphans
    USING (organization_id = nullif(current_setting('berth.organization', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('berth.organization', true), '')::uuid);
GRANT SELECT, INSERT, DELETE, UPDATE (removal_allowed_at, removal_allowed_by) ON orphans TO berth_app;
