-- Each role gets what it needs and no more; what was revoked stays revoked, and history is only forgotten where it is over.

-- Reads everything and changes nothing: backups. No policy hides a row from it (`berth_db::roles` gives it every table).
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'berth_backup') THEN
        CREATE ROLE berth_backup NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;
DO $$
BEGIN
    IF NOT pg_has_role(current_user, 'berth_backup', 'MEMBER') THEN
        EXECUTE format('GRANT berth_backup TO %I', current_user);
    END IF;
END
$$;
GRANT USAGE ON SCHEMA public TO berth_backup;

-- Where Postgres still lets everybody make tables (before 15).
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

-- A server that does not migrate has to know whether somebody else did.
GRANT SELECT ON __diesel_schema_migrations TO berth_app;

-- Variables go with their key, by the owner's foreign key.
REVOKE DELETE ON workspace_variables FROM berth_app;

-- A token that was revoked is revoked, also for whoever got hold of the server's connection.
CREATE FUNCTION revocation_stays() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'what was revoked stays revoked' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER revocation_stays BEFORE UPDATE OF revoked_at ON access_tokens FOR EACH ROW
    WHEN (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at)
    EXECUTE FUNCTION revocation_stays();
CREATE TRIGGER revocation_stays BEFORE UPDATE OF revoked_at ON agents FOR EACH ROW
    WHEN (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at)
    EXECUTE FUNCTION revocation_stays();

-- What retention forgets: of a living workspace all but the newest 200 transitions (the one that is being written counts
-- already), of one that is gone all of them.
CREATE POLICY of_what_is_over ON workspace_transitions AS RESTRICTIVE FOR DELETE TO berth_app USING (
    EXISTS (SELECT FROM workspaces w
            WHERE w.organization_id = workspace_transitions.organization_id
              AND w.agent_id = workspace_transitions.agent_id
              AND w.id = workspace_transitions.workspace_id
              AND (workspace_transitions.number <= w.transitions - 199
                   OR (w.desired_state = 'Terminated' AND w.actual_state = 'Terminated'))));

-- What the server asks of the whole database before it serves: which key-encryption keys it needs, and whether it is a whole
-- copy. Ids alone.
GRANT SELECT (organization_id, kek_id) ON workspace_data_keys, scope_data_keys TO berth_jobs;
GRANT SELECT (organization_id) ON access_tokens TO berth_jobs;
GRANT SELECT (organization_id, id) ON agents TO berth_jobs;
GRANT SELECT (organization_id, agent_id) ON workspaces TO berth_jobs;
GRANT SELECT ON installation TO berth_jobs;
DO $$
DECLARE
    tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['workspace_data_keys', 'scope_data_keys', 'access_tokens', 'agents', 'workspaces'] LOOP
        EXECUTE format('CREATE POLICY for_jobs ON %I FOR SELECT TO berth_jobs USING (true)', tenant_table);
    END LOOP;
END
$$;
