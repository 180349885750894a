-- Whom an organisation has people signed in by (OpenID Connect).
CREATE TABLE identity_providers (
    organization_id uuid        NOT NULL REFERENCES organizations (id),
    id              uuid        NOT NULL,
    name            text        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    issuer          text        NOT NULL CHECK (length(issuer) BETWEEN 1 AND 255),
    client_id       text        NOT NULL CHECK (length(client_id) BETWEEN 1 AND 255),
    -- The client's secret under the organisation's data key, bound to all of the above; NULL: it has none.
    data_key_id     uuid,
    version         bigint      NOT NULL CHECK (version > 0),
    nonce           bytea       CHECK (octet_length(nonce) = 12),
    ciphertext      bytea       CHECK (octet_length(ciphertext) BETWEEN 17 AND 2000),
    -- What is asked of it, whom it brings in, and whether everybody sees it.
    settings        jsonb       NOT NULL CHECK (pg_column_size(settings) < 200000),
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    CHECK ((data_key_id IS NULL) = (nonce IS NULL) AND (nonce IS NULL) = (ciphertext IS NULL))
);
CREATE UNIQUE INDEX identity_providers_name ON identity_providers (organization_id, name);
-- An address names a provider by its id alone.
CREATE UNIQUE INDEX identity_providers_id ON identity_providers (id);

-- Whose word says that somebody is an account: an issuer's, by its own id of them. No address is one.
CREATE TABLE identities (
    issuer     text        NOT NULL CHECK (length(issuer) BETWEEN 1 AND 255),
    subject    text        NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
    account_id uuid        NOT NULL REFERENCES accounts (id),
    created_at timestamptz NOT NULL,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX identities_of_account ON identities (account_id);

-- A browser was sent to a provider and is expected back. What it has to show is not here.
CREATE TABLE sign_in_attempts (
    -- SHA-256 of its state.
    state_hash               bytea       PRIMARY KEY CHECK (octet_length(state_hash) = 32),
    provider_organization_id uuid        NOT NULL,
    provider_id              uuid        NOT NULL,
    address                  text        CHECK (length(address) BETWEEN 1 AND 60),
    created_at               timestamptz NOT NULL,
    expires_at               timestamptz NOT NULL
);
CREATE INDEX sign_in_attempts_over ON sign_in_attempts (expires_at);
CREATE INDEX sign_in_attempts_of_address ON sign_in_attempts (address);

-- What a provider of an organisation has proven of a session: it is good there.
CREATE TABLE session_proofs (
    organization_id  uuid        NOT NULL,
    account_id       uuid        NOT NULL,
    session_id       uuid        NOT NULL,
    provider_id      uuid        NOT NULL,
    -- The provider's own session.
    sid              text        CHECK (length(sid) BETWEEN 1 AND 255),
    acr              text        CHECK (length(acr) BETWEEN 1 AND 300),
    amr              text[]      NOT NULL CHECK (cardinality(amr) <= 20),
    -- When the person was there, where it has said so.
    auth_time        timestamptz,
    created_at       timestamptz NOT NULL,
    PRIMARY KEY (organization_id, account_id, session_id),
    FOREIGN KEY (account_id, session_id) REFERENCES sessions (account_id, id) ON DELETE CASCADE,
    -- With a provider ends what it has proven.
    FOREIGN KEY (organization_id, provider_id) REFERENCES identity_providers (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX session_proofs_of_session ON session_proofs (account_id, session_id);
CREATE INDEX session_proofs_of_provider ON session_proofs (organization_id, provider_id, account_id);

-- A user whom a provider of the organisation has brought in: they are let in by sessions that one of its providers has proven.
ALTER TABLE subjects ADD COLUMN is_provided boolean NOT NULL DEFAULT false;

-- The session whose proofs a command line takes over that it lets in.
ALTER TABLE authorization_codes ADD COLUMN proved_by uuid;
ALTER TABLE device_requests ADD COLUMN proved_by uuid;
CREATE TRIGGER proved_once BEFORE UPDATE OF proved_by ON device_requests FOR EACH ROW
    WHEN (OLD.is_allowed IS NOT NULL) EXECUTE FUNCTION stays_as_it_is();

DO $$
DECLARE
    its_table text;
    nobody constant text := 'nullif(current_setting(''berth.account'', true), '''') IS NULL
        AND nullif(current_setting(''berth.organization'', true), '''')::uuid = ''00000000-0000-0000-0000-000000000000''';
    its_organization constant text := 'organization_id = nullif(current_setting(''berth.organization'', true), '''')::uuid';
    its_account constant text := 'account_id = nullif(current_setting(''berth.account'', true), '''')::uuid';
BEGIN
    FOREACH its_table IN ARRAY ARRAY['identity_providers', 'identities', 'sign_in_attempts', 'session_proofs'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', its_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', its_table);
    END LOOP;
    EXECUTE format('CREATE POLICY of_its_organization ON identity_providers USING (%s) WITH CHECK (%1$s)', its_organization);
    EXECUTE format('CREATE POLICY of_its_account ON identities USING (%s) WITH CHECK (%1$s)', its_account);
    EXECUTE format('CREATE POLICY of_the_installation ON sign_in_attempts USING (%s) WITH CHECK (%1$s)', nobody);
    EXECUTE format('CREATE POLICY of_its_organization ON session_proofs USING (%s) WITH CHECK (%1$s AND %s)',
                   its_organization, its_account);
    -- Whose browser it is has not been proven yet: an account is found by whoever is nobody.
    EXECUTE format('CREATE POLICY for_sign_in ON identity_providers FOR SELECT TO berth_app USING (%s)', nobody);
    EXECUTE format('CREATE POLICY for_sign_in ON identities FOR SELECT TO berth_app USING (%s)', nobody);
    EXECUTE format('CREATE POLICY for_sign_out ON session_proofs FOR SELECT TO berth_app USING (%s)', nobody);
    -- A session takes over what another one of the account has.
    EXECUTE format('CREATE POLICY of_its_account ON session_proofs FOR SELECT TO berth_app USING (%s)', its_account);
    EXECUTE format('CREATE POLICY of_its_account_next ON session_proofs FOR INSERT TO berth_app WITH CHECK (%s)', its_account);
END
$$;

GRANT SELECT, INSERT, DELETE,
    UPDATE (issuer, client_id, data_key_id, version, nonce, ciphertext, settings, updated_at) ON identity_providers TO berth_app;
GRANT SELECT, INSERT ON identities TO berth_app;
GRANT SELECT, INSERT, DELETE ON sign_in_attempts TO berth_app;
GRANT SELECT, INSERT ON session_proofs TO berth_app;
GRANT UPDATE (proved_by) ON device_requests TO berth_app;
