-- Lifecycle rules: when to look at a workspace again, and what its users added to the current period.

-- Never later than a rule may have something to do; NULL: no rule ever will. Whoever changes what is wanted only has to make
-- sure of that; the look finds out the exact time and writes it here. The default lets the first look find every row
-- that is here already, in the batches of that look, and costs no rewrite: Postgres evaluates it once.
ALTER TABLE workspaces
    ADD COLUMN lifecycle_at   timestamptz DEFAULT now(),
    ADD COLUMN extended_hours integer NOT NULL DEFAULT 0 CHECK (extended_hours >= 0);
-- It changes with what is wanted only, so that reports stay heap-only updates.
CREATE INDEX workspaces_lifecycle ON workspaces (lifecycle_at, id) WHERE lifecycle_at IS NOT NULL;
GRANT UPDATE (lifecycle_at, extended_hours) ON workspaces TO berth_app;

-- The one job across organisations. Its role sees which workspaces are to be looked at, and which organisations have
-- something to forget: ids and times, nothing else. What is done about them is done by berth_app, in the scope of each
-- organisation. Two roles never share a connection.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'berth_lifecycle') THEN
        CREATE ROLE berth_lifecycle NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;
DO $$
BEGIN
    IF NOT pg_has_role(current_user, 'berth_lifecycle', 'MEMBER') THEN
        EXECUTE format('GRANT berth_lifecycle TO %I', current_user);
    END IF;
END
$$;
GRANT USAGE ON SCHEMA public TO berth_lifecycle;
GRANT SELECT (organization_id, id, lifecycle_at) ON workspaces TO berth_lifecycle;
CREATE POLICY of_the_lifecycle ON workspaces FOR SELECT TO berth_lifecycle USING (lifecycle_at IS NOT NULL);
GRANT SELECT (organization_id, at, desired_state, actual_state) ON workspace_transitions TO berth_lifecycle;
CREATE POLICY of_the_lifecycle ON workspace_transitions FOR SELECT TO berth_lifecycle
    USING (desired_state = 'Terminated' AND actual_state = 'Terminated');
