-- Variables of what is around a workspace: of its organisation today. `scope_id` is the organisation's own id then; groups,
-- projects and users will bring theirs.
CREATE TABLE scope_data_keys (
    organization_id uuid        NOT NULL REFERENCES organizations (id),
    scope           text        NOT NULL CHECK (scope IN ('organization')),
    scope_id        uuid        NOT NULL,
    id              uuid        NOT NULL,
    kek_id          text        NOT NULL CHECK (length(kek_id) BETWEEN 1 AND 200),
    salt            bytea       NOT NULL CHECK (octet_length(salt) = 32),
    wrapped_key     bytea       NOT NULL CHECK (octet_length(wrapped_key) BETWEEN 48 AND 256),
    commitment      bytea       NOT NULL CHECK (octet_length(commitment) = 32),
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (organization_id, scope, scope_id, id),
    CHECK (scope <> 'organization' OR scope_id = organization_id)
);
-- One for each scope.
CREATE UNIQUE INDEX scope_data_keys_one ON scope_data_keys (organization_id, scope, scope_id);

CREATE TABLE scope_variables (
    organization_id uuid        NOT NULL,
    scope           text        NOT NULL,
    scope_id        uuid        NOT NULL,
    kind            text        NOT NULL CHECK (kind IN ('environment', 'file')),
    name            text        NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
    data_key_id     uuid        NOT NULL,
    version         bigint      NOT NULL CHECK (version >= 1),
    nonce           bytea       NOT NULL CHECK (octet_length(nonce) = 12),
    ciphertext      bytea       NOT NULL CHECK (octet_length(ciphertext) >= 16),
    is_final        boolean     NOT NULL,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (organization_id, scope, scope_id, kind, name),
    FOREIGN KEY (organization_id, scope, scope_id, data_key_id) REFERENCES scope_data_keys (organization_id, scope, scope_id, id)
);

-- Where a workspace's value comes from. NULL: given at its creation, or before there was anything to inherit.
ALTER TABLE workspace_variables
    ADD COLUMN source         text NOT NULL DEFAULT 'workspace' CHECK (source IN ('organization', 'workspace')),
    ADD COLUMN source_version bigint,
    ADD COLUMN source_set_at  timestamptz,
    ADD COLUMN source_final   boolean NOT NULL DEFAULT false,
    ADD COLUMN overrides      text CHECK (overrides IN ('organization'));

-- Keys that are not under the newest generation are looked for again and again.
CREATE INDEX workspace_data_keys_by_kek ON workspace_data_keys (organization_id, kek_id);
CREATE INDEX scope_data_keys_by_kek ON scope_data_keys (organization_id, kek_id);

DO $$
DECLARE
    tenant_table text;
BEGIN
    FOREACH tenant_table IN ARRAY ARRAY['scope_data_keys', 'scope_variables'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('CREATE POLICY of_its_organization ON %1$I USING (organization_id = %2$s) WITH CHECK (organization_id = %2$s)',
                       tenant_table, 'nullif(current_setting(''berth.organization'', true), '''')::uuid');
    END LOOP;
END
$$;
GRANT SELECT, INSERT, UPDATE (kek_id, salt, wrapped_key) ON scope_data_keys TO berth_app;
GRANT SELECT, INSERT, DELETE, UPDATE (data_key_id, version, nonce, ciphertext, is_final, updated_at) ON scope_variables TO berth_app;
GRANT UPDATE (kek_id, salt, wrapped_key) ON workspace_data_keys TO berth_app;

-- What a job that concerns every organisation may know of them: that they exist. It works in the scope of each, as
-- everybody else does.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'berth_jobs') THEN
        CREATE ROLE berth_jobs NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;
DO $$
BEGIN
    IF NOT pg_has_role(current_user, 'berth_jobs', 'MEMBER') THEN
        EXECUTE format('GRANT berth_jobs TO %I', current_user);
    END IF;
END
$$;
GRANT USAGE ON SCHEMA public TO berth_jobs;
GRANT SELECT (id) ON organizations TO berth_jobs;
CREATE POLICY for_jobs ON organizations FOR SELECT TO berth_jobs USING (true);
