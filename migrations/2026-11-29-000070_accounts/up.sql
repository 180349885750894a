-- People, who exist outside of organisations, and the times that they are signed in. An account's rows are seen where
-- `berth.account` is set, as an organisation's are where `berth.organization` is.
CREATE TABLE accounts (
    id           uuid        PRIMARY KEY,
    name         text        NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    created_at   timestamptz NOT NULL,
    suspended_at timestamptz
);

-- Links that sign somebody in once. Only the SHA-256 of a link's secret is kept.
CREATE TABLE sign_in_links (
    account_id  uuid        NOT NULL REFERENCES accounts (id),
    id          uuid        NOT NULL,
    secret_hash bytea       NOT NULL CHECK (octet_length(secret_hash) = 32),
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz,
    PRIMARY KEY (account_id, id)
);

CREATE TABLE sessions (
    account_id       uuid        NOT NULL REFERENCES accounts (id),
    id               uuid        NOT NULL,
    -- Of the whole token that the browser holds.
    secret_hash      bytea       NOT NULL CHECK (octet_length(secret_hash) = 32),
    method           text        NOT NULL CHECK (length(method) BETWEEN 1 AND 50),
    authenticated_at timestamptz NOT NULL,
    created_at       timestamptz NOT NULL,
    last_used_at     timestamptz NOT NULL,
    -- Whatever is done meanwhile.
    expires_at       timestamptz NOT NULL,
    -- It also ends when it was not used for so long.
    idle_seconds     bigint      NOT NULL CHECK (idle_seconds > 0),
    address          text        CHECK (length(address) BETWEEN 1 AND 60),
    user_agent       text        CHECK (length(user_agent) BETWEEN 1 AND 300),
    ended_at         timestamptz,
    PRIMARY KEY (account_id, id)
);
CREATE INDEX sessions_listing ON sessions (account_id, created_at DESC, id DESC);

-- A user is what an account is in one organisation. What is there already had every right.
ALTER TABLE subjects
    ADD COLUMN account_id   uuid REFERENCES accounts (id),
    ADD COLUMN role         text NOT NULL DEFAULT 'owner' CHECK (length(role) BETWEEN 1 AND 50),
    ADD COLUMN suspended_at timestamptz;
CREATE UNIQUE INDEX subjects_of_account ON subjects (account_id, organization_id) WHERE account_id IS NOT NULL;

-- In an organisation a session is one of its user's tokens, with the session's id: so that whatever was done by it names it,
-- the version before understands what it finds, and both are revoked on one way. Nobody has the secret of such a token.
ALTER TABLE access_tokens ADD COLUMN is_session boolean NOT NULL DEFAULT false;

DO $$
DECLARE
    its_table text;
    its_column text;
BEGIN
    FOR its_table, its_column IN
        VALUES ('accounts', 'id'), ('sign_in_links', 'account_id'), ('sessions', 'account_id')
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', its_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', its_table);
        EXECUTE format('CREATE POLICY of_its_account ON %1$I USING (%2$I = %3$s) WITH CHECK (%2$I = %3$s)',
                       its_table, its_column, 'nullif(current_setting(''berth.account'', true), '''')::uuid');
    END LOOP;
END
$$;

-- An account sees what it is in each organisation, and what those are called; and ends there what was its own.
CREATE POLICY of_its_account ON subjects FOR SELECT
    USING (account_id = nullif(current_setting('berth.account', true), '')::uuid);
CREATE POLICY of_its_accounts ON organizations FOR SELECT TO berth_app
    USING (EXISTS (SELECT FROM subjects s WHERE s.organization_id = organizations.id
                     AND s.account_id = nullif(current_setting('berth.account', true), '')::uuid));
CREATE POLICY of_its_account ON access_tokens FOR SELECT TO berth_app
    USING (is_session AND EXISTS (SELECT FROM subjects s WHERE s.organization_id = access_tokens.organization_id
                                    AND s.id = access_tokens.subject_id
                                    AND s.account_id = nullif(current_setting('berth.account', true), '')::uuid));
CREATE POLICY of_its_account_ended ON access_tokens FOR UPDATE TO berth_app
    USING (is_session AND EXISTS (SELECT FROM subjects s WHERE s.organization_id = access_tokens.organization_id
                                    AND s.id = access_tokens.subject_id
                                    AND s.account_id = nullif(current_setting('berth.account', true), '')::uuid));
-- An organisation sees who its users are.
CREATE POLICY of_its_users ON accounts FOR SELECT TO berth_app
    USING (EXISTS (SELECT FROM subjects s WHERE s.account_id = accounts.id
                     AND s.organization_id = nullif(current_setting('berth.organization', true), '')::uuid));

GRANT SELECT, INSERT, UPDATE (name, suspended_at) ON accounts TO berth_app;
GRANT SELECT, INSERT, DELETE, UPDATE (used_at) ON sign_in_links TO berth_app;
GRANT SELECT, INSERT, DELETE, UPDATE (last_used_at, ended_at) ON sessions TO berth_app;
GRANT UPDATE (account_id, role, suspended_at) ON subjects TO berth_app;

-- What has happened stays so, also for whoever got hold of the server's connection.
CREATE FUNCTION stays_as_it_is() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'this stays as it is' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER used_once BEFORE UPDATE OF used_at ON sign_in_links FOR EACH ROW
    WHEN (OLD.used_at IS NOT NULL) EXECUTE FUNCTION stays_as_it_is();
CREATE TRIGGER ended_for_good BEFORE UPDATE OF ended_at ON sessions FOR EACH ROW
    WHEN (OLD.ended_at IS NOT NULL AND NEW.ended_at IS DISTINCT FROM OLD.ended_at) EXECUTE FUNCTION stays_as_it_is();
CREATE TRIGGER its_account_for_good BEFORE UPDATE OF account_id ON subjects FOR EACH ROW
    WHEN (OLD.account_id IS NOT NULL AND NEW.account_id IS DISTINCT FROM OLD.account_id) EXECUTE FUNCTION stays_as_it_is();
