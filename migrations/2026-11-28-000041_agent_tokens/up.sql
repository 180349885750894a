-- Agents' tokens that can be replaced while the agent runs, and what is seen of those who lead in its name.
ALTER TABLE agents
    -- Null: the token is as old as the agent.
    ADD COLUMN token_made_at        timestamptz,
    -- The token before, until the new one is used for the first time, or until that time. As long as it is here, the new one
    -- has not been used.
    ADD COLUMN previous_secret_hash bytea CHECK (octet_length(previous_secret_hash) = 32),
    ADD COLUMN previous_valid_until timestamptz,
    -- Who led before the leader that was heard last: one that comes back after another contends with it.
    ADD COLUMN previous_term        uuid,
    -- When an administrator last put an end to whatever was done with earlier tokens.
    ADD COLUMN settled_at           timestamptz,
    ADD CHECK ((previous_secret_hash IS NULL) = (previous_valid_until IS NULL));
GRANT UPDATE (secret_hash, token_made_at, previous_secret_hash, previous_valid_until, previous_term, settled_at)
    ON agents TO berth_app;

-- What happened to an agent's identity, the last few of it. `kind` is not listed here: a later version may know more.
CREATE TABLE agent_events (
    organization_id uuid        NOT NULL,
    agent_id        uuid        NOT NULL,
    id              uuid        NOT NULL,
    at              timestamptz NOT NULL,
    kind            text        NOT NULL CHECK (length(kind) BETWEEN 1 AND 50),
    message         text        NOT NULL CHECK (length(message) BETWEEN 1 AND 500),
    -- The access token of whoever did it.
    token_id        uuid,
    PRIMARY KEY (organization_id, agent_id, id),
    FOREIGN KEY (organization_id, agent_id) REFERENCES agents (organization_id, id),
    FOREIGN KEY (organization_id, token_id) REFERENCES access_tokens (organization_id, id)
);
CREATE INDEX agent_events_newest ON agent_events (organization_id, agent_id, at DESC, id DESC);

ALTER TABLE agent_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE agent_events FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_organization ON agent_events
    USING (organization_id = nullif(current_setting('berth.organization', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('berth.organization', true), '')::uuid);
GRANT SELECT, INSERT, DELETE ON agent_events TO berth_app;
