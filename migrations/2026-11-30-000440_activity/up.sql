-- When something happens in workspaces, and since when their agents' proxies tell of it: in tables of their own, so that what is told each
-- minute neither waits for nor holds what agents report and users change.
CREATE TABLE workspace_activity (
    organization_id uuid NOT NULL,
    agent_id        uuid NOT NULL,
    workspace_id    uuid NOT NULL,
    last_active_at  timestamptz,
    -- Somebody wants it to run until then, whatever happens in it.
    kept_until      timestamptz,
    -- When it was stopped because nothing happened, and after how many minutes of that.
    stopped_at      timestamptz,
    stopped_after   integer CHECK (stopped_after > 0),
    PRIMARY KEY (organization_id, agent_id, workspace_id),
    CONSTRAINT stopped_whole CHECK ((stopped_at IS NULL) = (stopped_after IS NULL)),
    CONSTRAINT workspace_activity_workspace_fkey FOREIGN KEY (organization_id, agent_id, workspace_id)
        REFERENCES workspaces (organization_id, agent_id, id) ON UPDATE CASCADE
) WITH (fillfactor = 70);

CREATE TABLE proxy_contacts (
    organization_id uuid        NOT NULL,
    agent_id        uuid        NOT NULL,
    -- The newest word of a proxy of that agent,
    heard_at        timestamptz NOT NULL,
    -- and since when there was no long silence.
    heard_since     timestamptz NOT NULL,
    PRIMARY KEY (organization_id, agent_id),
    CONSTRAINT proxy_contacts_agent_fkey FOREIGN KEY (organization_id, agent_id) REFERENCES agents (organization_id, id)
);

ALTER TABLE workspace_activity ENABLE ROW LEVEL SECURITY;
ALTER TABLE workspace_activity FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_organization ON workspace_activity
    USING (organization_id = nullif(current_setting('berth.organization', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('berth.organization', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE (last_active_at, kept_until, stopped_at, stopped_after) ON workspace_activity TO berth_app;

ALTER TABLE proxy_contacts ENABLE ROW LEVEL SECURITY;
ALTER TABLE proxy_contacts FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_organization ON proxy_contacts
    USING (organization_id = nullif(current_setting('berth.organization', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('berth.organization', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE (heard_at, heard_since) ON proxy_contacts TO berth_app;
