-- A workspace may become another agent's. Its agent is part of its key: what belongs to the workspace follows. The names that
-- Postgres gave to the foreign keys were cut to its length, so they are looked up.
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT conrelid::regclass AS referrer, conname FROM pg_constraint
        WHERE contype = 'f' AND confrelid IN ('workspaces'::regclass, 'workspace_data_keys'::regclass)
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', found.referrer, found.conname);
    END LOOP;
END
$$;
ALTER TABLE workspace_data_keys ADD CONSTRAINT workspace_data_keys_workspace_fkey
    FOREIGN KEY (organization_id, agent_id, workspace_id)
    REFERENCES workspaces (organization_id, agent_id, id) ON UPDATE CASCADE;
ALTER TABLE workspace_variables ADD CONSTRAINT workspace_variables_data_key_fkey
    FOREIGN KEY (organization_id, agent_id, workspace_id, data_key_id)
    REFERENCES workspace_data_keys (organization_id, agent_id, workspace_id, id) ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE workspace_transitions ADD CONSTRAINT workspace_transitions_workspace_fkey
    FOREIGN KEY (organization_id, agent_id, workspace_id)
    REFERENCES workspaces (organization_id, agent_id, id) ON UPDATE CASCADE;

GRANT UPDATE (agent_id) ON workspaces TO berth_app;
