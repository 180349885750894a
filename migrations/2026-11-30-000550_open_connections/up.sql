-- Who is connected to workspaces, as the copies of their agents' proxies tell: what a copy has open is told as a whole, and is gone with
-- the copy when that has told nothing for a while.
CREATE TABLE proxy_copies (
    organization_id uuid        NOT NULL,
    -- What the copy calls itself, anew at each start.
    id              uuid        NOT NULL,
    agent_id        uuid        NOT NULL,
    told_at         timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    CONSTRAINT proxy_copies_agent_fkey FOREIGN KEY (organization_id, agent_id) REFERENCES agents (organization_id, id)
);
CREATE INDEX proxy_copies_of_agent ON proxy_copies (organization_id, agent_id);
CREATE INDEX proxy_copies_told ON proxy_copies (told_at);

CREATE TABLE open_connections (
    organization_id    uuid        NOT NULL,
    proxy_id           uuid        NOT NULL,
    workspace_id       uuid        NOT NULL,
    -- The id of what it was begun by; of all those together who have not signed in: zero.
    connection_id      uuid        NOT NULL,
    port               integer     NOT NULL CHECK (port BETWEEN 1 AND 65535),
    kind               text        NOT NULL CHECK (kind IN ('browser', 'ssh', 'program', 'public')),
    subject_id         uuid,
    session_id         uuid,
    since              timestamptz NOT NULL,
    last_active_at     timestamptz NOT NULL,
    address            text,
    -- How many requests, sockets and tunnels that is.
    open               integer     NOT NULL CHECK (open >= 0),
    bytes_to_workspace bigint      NOT NULL,
    bytes_to_person    bigint      NOT NULL,
    PRIMARY KEY (organization_id, proxy_id, workspace_id, connection_id, port),
    CONSTRAINT somebodys_or_public CHECK (
        (kind = 'public') = (subject_id IS NULL) AND (kind = 'public') = (session_id IS NULL)
        AND (kind = 'public') = (connection_id = '00000000-0000-0000-0000-000000000000')
    ),
    FOREIGN KEY (organization_id, proxy_id) REFERENCES proxy_copies (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, subject_id) REFERENCES subjects (organization_id, id)
) WITH (fillfactor = 70);
CREATE INDEX open_connections_of_workspace ON open_connections (organization_id, workspace_id);

-- What somebody has ended. What it was begun by opens nothing any more.
CREATE TABLE ended_connections (
    organization_id uuid        NOT NULL,
    workspace_id    uuid        NOT NULL,
    connection_id   uuid        NOT NULL,
    session_id      uuid        NOT NULL,
    ended_at        timestamptz NOT NULL,
    -- Somebody else's session than that which has ended it: it begins nothing there before it has proven itself anew.
    must_prove      boolean     NOT NULL,
    -- When no session that there was can go on any more.
    expires_at      timestamptz NOT NULL,
    PRIMARY KEY (organization_id, workspace_id, connection_id),
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id) ON DELETE CASCADE
);

ALTER TABLE proxy_copies ENABLE ROW LEVEL SECURITY;
ALTER TABLE proxy_copies FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_organization ON proxy_copies
    USING (organization_id = nullif(current_setting('berth.organization', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('berth.organization', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE (told_at), DELETE ON proxy_copies TO berth_app;
-- Copies that are silent are forgotten whatever organisation they are of.
GRANT SELECT (organization_id, told_at), DELETE ON proxy_copies TO berth_jobs;
CREATE POLICY for_jobs ON proxy_copies FOR SELECT TO berth_jobs USING (true);
CREATE POLICY forgotten_by_jobs ON proxy_copies FOR DELETE TO berth_jobs USING (true);

ALTER TABLE open_connections ENABLE ROW LEVEL SECURITY;
ALTER TABLE open_connections FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_organization ON open_connections
    USING (organization_id = nullif(current_setting('berth.organization', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('berth.organization', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE (last_active_at, address, open, bytes_to_workspace, bytes_to_person), DELETE ON open_connections TO berth_app;

ALTER TABLE ended_connections ENABLE ROW LEVEL SECURITY;
ALTER TABLE ended_connections FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_organization ON ended_connections
    USING (organization_id = nullif(current_setting('berth.organization', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('berth.organization', true), '')::uuid);
GRANT SELECT, INSERT, DELETE ON ended_connections TO berth_app;
