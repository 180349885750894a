-- Ports that no devfile declares, which a workspace's owner has opened for themselves, until when at the latest. One is of the generation
-- that it was opened at: with whatever raises it, as a stop or a restart does, it is over. What is over stays until its owner opens or
-- closes another one.
CREATE TABLE opened_ports (
    organization_id uuid        NOT NULL REFERENCES organizations (id),
    workspace_id    uuid        NOT NULL,
    -- Never the editor's or sshd's, which are there without this.
    port            integer     NOT NULL CHECK (port BETWEEN 1 AND 65535 AND port NOT IN (60001, 60022)),
    name            text        NOT NULL CHECK (length(name) BETWEEN 1 AND 63),
    generation      bigint      NOT NULL,
    opened_at       timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL CHECK (expires_at > opened_at),
    PRIMARY KEY (organization_id, workspace_id, port),
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id) ON DELETE CASCADE
);

ALTER TABLE opened_ports ENABLE ROW LEVEL SECURITY;
ALTER TABLE opened_ports FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_organization ON opened_ports
    USING (organization_id = nullif(current_setting('berth.organization', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('berth.organization', true), '')::uuid);
GRANT SELECT, INSERT, DELETE ON opened_ports TO berth_app;
