-- The first tables. What holds for every table here and later:
--   * the organisation's id is in it and leads its primary key, so that no foreign key can cross organisations;
--   * row-level security is forced on it, with the one policy of its organisation;
--   * berth_app, the role that every connection of the server takes, gets the least rights that the queries need.

-- Roles belong to the whole Postgres, not to this database: another database may be creating it right now.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'berth_app') THEN
        CREATE ROLE berth_app NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

-- Superusers are members of every role; any other migrating role has to become one to SET ROLE.
DO $$
BEGIN
    IF NOT pg_has_role(current_user, 'berth_app', 'MEMBER') THEN
        EXECUTE format('GRANT berth_app TO %I', current_user);
    END IF;
END
$$;

GRANT USAGE ON SCHEMA public TO berth_app;

-- One row once the first organisation was made. It holds nothing of a tenant, and is what makes several servers that
-- start together on an empty database agree on who prints the first administrator's token.
CREATE TABLE installation (
    only_row       boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    initialized_at timestamptz NOT NULL
);

CREATE TABLE organizations (
    id         uuid        PRIMARY KEY,
    name       text        NOT NULL CONSTRAINT organizations_name_key UNIQUE CHECK (length(name) BETWEEN 1 AND 63),
    created_at timestamptz NOT NULL
);

-- Tokens of people and services. Only the SHA-256 of a token is kept.
CREATE TABLE access_tokens (
    organization_id uuid        NOT NULL REFERENCES organizations (id),
    id              uuid        NOT NULL,
    name            text        NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    secret_hash     bytea       NOT NULL CHECK (octet_length(secret_hash) = 32),
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz,
    revoked_at      timestamptz,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX access_tokens_listing ON access_tokens (organization_id, created_at DESC, id DESC);

-- epoch and last_sequence order the reports of an agent; both move forward only.
CREATE TABLE agents (
    organization_id uuid        NOT NULL REFERENCES organizations (id),
    id              uuid        NOT NULL,
    name            text        NOT NULL CHECK (length(name) BETWEEN 1 AND 63),
    secret_hash     bytea       NOT NULL CHECK (octet_length(secret_hash) = 32),
    epoch           bigint      NOT NULL DEFAULT 0,
    last_sequence   bigint      NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL,
    revoked_at      timestamptz,
    PRIMARY KEY (organization_id, id)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX agents_name_key ON agents (organization_id, name) WHERE revoked_at IS NULL;
CREATE INDEX agents_listing ON agents (organization_id, created_at DESC, id DESC);

-- `living` and `pending` are columns rather than predicates of their indexes: an update that changes the states but not
-- these two stays a heap-only one, and each rule stands in one place.
CREATE TABLE workspaces (
    organization_id             uuid        NOT NULL,
    agent_id                    uuid        NOT NULL,
    id                          uuid        NOT NULL,
    name                        text        NOT NULL CHECK (length(name) BETWEEN 1 AND 33),
    namespace                   text        NOT NULL CHECK (length(namespace) BETWEEN 1 AND 63),
    desired_state               text        NOT NULL
        CHECK (desired_state IN ('Running', 'Stopped', 'RestartRequested', 'Terminated')),
    actual_state                text        NOT NULL
        CHECK (actual_state IN ('CreationRequested', 'Starting', 'Running', 'Stopping', 'Stopped', 'Failed', 'Error',
                                'Terminating', 'Terminated', 'Unknown')),
    reason                      jsonb,
    generation                  bigint      NOT NULL CHECK (generation >= 1),
    applied_generation          bigint      NOT NULL DEFAULT 0 CHECK (applied_generation >= 0),
    applied_epoch               bigint,
    applied_sequence            bigint,
    deployment_resource_version text,
    spec                        jsonb       NOT NULL,
    devfile                     text,
    created_at                  timestamptz NOT NULL,
    created_by                  uuid        NOT NULL,
    desired_state_changed_at    timestamptz NOT NULL,
    actual_state_changed_at     timestamptz NOT NULL,
    -- Something of it may still be in the cluster, or shall be.
    living boolean NOT NULL GENERATED ALWAYS AS (NOT (desired_state = 'Terminated' AND actual_state = 'Terminated')) STORED,
    -- The agent has something to do that it has not proven yet.
    pending boolean NOT NULL GENERATED ALWAYS AS (
        NOT (desired_state = 'Terminated' AND actual_state = 'Terminated')
        AND (generation > applied_generation OR desired_state IN ('Terminated', 'RestartRequested'))) STORED,
    PRIMARY KEY (organization_id, agent_id, id),
    CONSTRAINT workspaces_id_key UNIQUE (organization_id, id),
    FOREIGN KEY (organization_id, agent_id) REFERENCES agents (organization_id, id),
    FOREIGN KEY (organization_id, created_by) REFERENCES access_tokens (organization_id, id),
    CHECK ((applied_epoch IS NULL) = (applied_sequence IS NULL))
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX workspaces_name_key ON workspaces (organization_id, name) WHERE living;
CREATE INDEX workspaces_by_name ON workspaces (organization_id, name text_pattern_ops, created_at DESC);
CREATE INDEX workspaces_listing ON workspaces (organization_id, created_at DESC, id DESC);
CREATE INDEX workspaces_living ON workspaces (organization_id, agent_id, id) WHERE living;
CREATE INDEX workspaces_pending ON workspaces (organization_id, agent_id, id) WHERE pending;

-- A workspace's data keys, wrapped by a key-encryption key that is never in the database. Deleting the row destroys
-- every value under it.
CREATE TABLE workspace_data_keys (
    organization_id uuid        NOT NULL,
    agent_id        uuid        NOT NULL,
    workspace_id    uuid        NOT NULL,
    id              uuid        NOT NULL,
    kek_id          text        NOT NULL CHECK (length(kek_id) BETWEEN 1 AND 200),
    salt            bytea       NOT NULL CHECK (octet_length(salt) = 32),
    wrapped_key     bytea       NOT NULL CHECK (octet_length(wrapped_key) BETWEEN 48 AND 256),
    commitment      bytea       NOT NULL CHECK (octet_length(commitment) = 32),
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (organization_id, agent_id, workspace_id, id),
    FOREIGN KEY (organization_id, agent_id, workspace_id) REFERENCES workspaces (organization_id, agent_id, id)
);

CREATE TABLE workspace_variables (
    organization_id uuid   NOT NULL,
    agent_id        uuid   NOT NULL,
    workspace_id    uuid   NOT NULL,
    kind            text   NOT NULL CHECK (kind IN ('environment', 'file')),
    name            text   NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
    data_key_id     uuid   NOT NULL,
    version         bigint NOT NULL CHECK (version >= 1),
    nonce           bytea  NOT NULL CHECK (octet_length(nonce) = 12),
    ciphertext      bytea  NOT NULL CHECK (octet_length(ciphertext) >= 16),
    PRIMARY KEY (organization_id, agent_id, workspace_id, kind, name),
    FOREIGN KEY (organization_id, agent_id, workspace_id, data_key_id)
        REFERENCES workspace_data_keys (organization_id, agent_id, workspace_id, id) ON DELETE CASCADE
);

-- Remembered for a day, so that a request that is sent again is not done again.
CREATE TABLE idempotency_keys (
    organization_id uuid        NOT NULL,
    token_id        uuid        NOT NULL,
    key             text        NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    request_hash    bytea       NOT NULL CHECK (octet_length(request_hash) = 32),
    resource_kind   text        NOT NULL CHECK (resource_kind IN ('agent', 'workspace')),
    resource_id     uuid        NOT NULL,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (organization_id, token_id, key),
    FOREIGN KEY (organization_id, token_id) REFERENCES access_tokens (organization_id, id)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (organization_id, created_at);

-- Row-level security: the second wall behind the types of the server. After SET LOCAL ends the setting is '', not NULL.
DO $$
DECLARE
    tenant_table text;
    organization_column text;
BEGIN
    FOR tenant_table, organization_column IN
        VALUES ('organizations', 'id'), ('access_tokens', 'organization_id'), ('agents', 'organization_id'),
               ('workspaces', 'organization_id'), ('workspace_data_keys', 'organization_id'),
               ('workspace_variables', 'organization_id'), ('idempotency_keys', 'organization_id')
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('CREATE POLICY of_its_organization ON %1$I USING (%2$I = %3$s) WITH CHECK (%2$I = %3$s)',
                       tenant_table, organization_column,
                       'nullif(current_setting(''berth.organization'', true), '''')::uuid');
    END LOOP;
END
$$;
ALTER TABLE installation ENABLE ROW LEVEL SECURITY;
ALTER TABLE installation FORCE ROW LEVEL SECURITY;
CREATE POLICY of_nobody ON installation USING (true) WITH CHECK (true);

-- Ids, creators and secrets cannot be changed once they are written.
GRANT SELECT, INSERT ON installation, organizations TO berth_app;
GRANT SELECT, INSERT, UPDATE (revoked_at) ON access_tokens TO berth_app;
GRANT SELECT, INSERT, UPDATE (epoch, last_sequence, revoked_at) ON agents TO berth_app;
GRANT SELECT, INSERT,
      UPDATE (desired_state, actual_state, reason, generation, applied_generation, applied_epoch, applied_sequence,
              deployment_resource_version, spec, devfile, desired_state_changed_at, actual_state_changed_at)
    ON workspaces TO berth_app;
GRANT SELECT, INSERT, DELETE ON workspace_data_keys, workspace_variables TO berth_app;
GRANT SELECT, INSERT, DELETE, UPDATE (request_hash, resource_kind, resource_id, created_at)
    ON idempotency_keys TO berth_app;
