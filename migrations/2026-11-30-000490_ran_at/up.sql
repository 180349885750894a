-- When a workspace came to run for the first time since that was asked for: what comes back after one of its containers has ended does not
-- begin anew. Null, or older than the wish: a server of before has written the report, or it has not run yet.
ALTER TABLE workspaces ADD COLUMN ran_at timestamptz;
GRANT UPDATE (ran_at) ON workspaces TO berth_app;
