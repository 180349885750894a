-- Whether an agent's cluster enforces NetworkPolicy, by what the agent found out. A table of its own: the agent's row is read in
-- every round.
CREATE TABLE network_checks (
    organization_id uuid NOT NULL,
    agent_id        uuid NOT NULL,
    -- The check that was asked for and has no result yet.
    wanted          uuid,
    requested_at    timestamptz,
    verdict         text CHECK (verdict IN ('enforced', 'not_enforced', 'unknown')),
    reason          text CHECK (length(reason) <= 2000),
    checked_at      timestamptz,
    CHECK ((wanted IS NULL) = (requested_at IS NULL)),
    CHECK ((verdict IS NULL) = (checked_at IS NULL) AND (verdict IS NULL) = (reason IS NULL)),
    PRIMARY KEY (organization_id, agent_id),
    FOREIGN KEY (organization_id, agent_id) REFERENCES agents (organization_id, id)
);
ALTER TABLE network_checks ENABLE ROW LEVEL SECURITY;
ALTER TABLE network_checks FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_organization ON network_checks
    USING (organization_id = nullif(current_setting('berth.organization', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('berth.organization', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE (wanted, requested_at, verdict, reason, checked_at) ON network_checks TO berth_app;
