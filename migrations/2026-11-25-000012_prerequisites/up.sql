-- What an agent's cluster has (`Prerequisites` as JSON). A table of its own: the agent's row is read in every round.
CREATE TABLE agent_prerequisites (
    organization_id uuid        NOT NULL,
    agent_id        uuid        NOT NULL,
    prerequisites   jsonb       NOT NULL CHECK (length(prerequisites::text) <= 1000000),
    changed_at      timestamptz NOT NULL,
    PRIMARY KEY (organization_id, agent_id),
    FOREIGN KEY (organization_id, agent_id) REFERENCES agents (organization_id, id)
);
ALTER TABLE agent_prerequisites ENABLE ROW LEVEL SECURITY;
ALTER TABLE agent_prerequisites FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_organization ON agent_prerequisites
    USING (organization_id = nullif(current_setting('berth.organization', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('berth.organization', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE (prerequisites, changed_at) ON agent_prerequisites TO berth_app;
