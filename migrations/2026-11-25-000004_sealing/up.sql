-- The public keys that agents registered for their variables to be sealed to: the one in use and a few before it, so that a
-- change is seen. No private key is ever here.
CREATE TABLE agent_sealing_keys (
    organization_id uuid        NOT NULL,
    agent_id        uuid        NOT NULL,
    public_key      bytea       NOT NULL CHECK (octet_length(public_key) = 32),
    registered_at   timestamptz NOT NULL,
    superseded_at   timestamptz,
    PRIMARY KEY (organization_id, agent_id, public_key),
    FOREIGN KEY (organization_id, agent_id) REFERENCES agents (organization_id, id)
);
CREATE UNIQUE INDEX agent_sealing_keys_current ON agent_sealing_keys (organization_id, agent_id) WHERE superseded_at IS NULL;

ALTER TABLE agent_sealing_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE agent_sealing_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_organization ON agent_sealing_keys
    USING (organization_id = nullif(current_setting('berth.organization', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('berth.organization', true), '')::uuid);
GRANT SELECT, INSERT, DELETE, UPDATE (registered_at, superseded_at) ON agent_sealing_keys TO berth_app;
