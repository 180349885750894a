-- Workspaces that a full report lacked, too many at once to be believed (`SuspectedLoss` as JSON), and whether somebody
-- wants a full report before its time. Both are written seldom and read in every round: they stay in the agent's row.
ALTER TABLE agents
    ADD COLUMN suspected_loss jsonb CHECK (length(suspected_loss::text) <= 1000),
    ADD COLUMN full_wanted    boolean NOT NULL DEFAULT false;
GRANT UPDATE (suspected_loss, full_wanted) ON agents TO berth_app;
