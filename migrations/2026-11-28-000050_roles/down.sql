DO $$
DECLARE
    tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['workspace_data_keys', 'scope_data_keys', 'access_tokens', 'agents', 'workspaces'] LOOP
        EXECUTE format('DROP POLICY for_jobs ON %I', tenant_table);
    END LOOP;
END
$$;
REVOKE SELECT (organization_id, kek_id) ON workspace_data_keys, scope_data_keys FROM berth_jobs;
REVOKE SELECT (organization_id) ON access_tokens FROM berth_jobs;
REVOKE SELECT (organization_id, id) ON agents FROM berth_jobs;
REVOKE SELECT (organization_id, agent_id) ON workspaces FROM berth_jobs;
REVOKE SELECT ON installation FROM berth_jobs;
DROP POLICY of_what_is_over ON workspace_transitions;
DROP TRIGGER revocation_stays ON agents;
DROP TRIGGER revocation_stays ON access_tokens;
DROP FUNCTION revocation_stays();
GRANT DELETE ON workspace_variables TO berth_app;
REVOKE SELECT ON __diesel_schema_migrations FROM berth_app;
