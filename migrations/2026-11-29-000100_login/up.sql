-- What signs tokens: private keys, each sealed under the key-encryption key. They and the requests of devices are nobody's: only
-- a transaction that is neither an organisation's nor an account's sees them.
CREATE TABLE signing_keys (
    -- The thumbprint of the public key (RFC 7638).
    kid        text        PRIMARY KEY CHECK (length(kid) = 43),
    kek_id     text        NOT NULL CHECK (length(kek_id) BETWEEN 1 AND 64),
    salt       bytea       NOT NULL CHECK (octet_length(salt) = 32),
    -- Nonce and ciphertext of the key in PKCS #8.
    sealed     bytea       NOT NULL CHECK (octet_length(sealed) BETWEEN 29 AND 1000),
    created_at timestamptz NOT NULL,
    -- It is published from the beginning, for those who keep the list for a while.
    signs_at   timestamptz NOT NULL,
    revoked_at timestamptz
);

-- A command line without a browser asks to be let in. Gone when it was, or when it is over.
CREATE TABLE device_requests (
    -- Of the code that the command line asks by.
    secret_hash      bytea       PRIMARY KEY CHECK (octet_length(secret_hash) = 32),
    -- What the person types.
    user_code        text        NOT NULL UNIQUE CHECK (length(user_code) = 8),
    device_name      text        NOT NULL CHECK (length(device_name) BETWEEN 1 AND 100),
    address          text        CHECK (length(address) BETWEEN 1 AND 60),
    created_at       timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL,
    polled_at        timestamptz,
    interval_seconds integer     NOT NULL CHECK (interval_seconds BETWEEN 1 AND 600),
    -- Who decided, and how they had signed in.
    account_id       uuid        REFERENCES accounts (id),
    method           text        CHECK (length(method) BETWEEN 1 AND 50),
    authenticated_at timestamptz,
    is_allowed       boolean,
    CHECK ((is_allowed IS NULL) = (account_id IS NULL))
);
CREATE INDEX device_requests_over ON device_requests (expires_at);

-- A browser has let a command line of the same machine in, which brings the code and proves that it asked (RFC 7636).
CREATE TABLE authorization_codes (
    account_id       uuid        NOT NULL REFERENCES accounts (id),
    id               uuid        NOT NULL,
    secret_hash      bytea       NOT NULL CHECK (octet_length(secret_hash) = 32),
    challenge        text        NOT NULL CHECK (length(challenge) = 43),
    redirect_uri     text        NOT NULL CHECK (length(redirect_uri) BETWEEN 1 AND 100),
    device_name      text        NOT NULL CHECK (length(device_name) BETWEEN 1 AND 100),
    method           text        NOT NULL CHECK (length(method) BETWEEN 1 AND 50),
    authenticated_at timestamptz NOT NULL,
    created_at       timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL,
    -- What it was exchanged for: that ends when the code is shown again.
    session_id       uuid,
    PRIMARY KEY (account_id, id)
);

-- The session of a command line has no secret that anybody holds: it goes on by refresh tokens, which are signed, and of which
-- one id is good.
ALTER TABLE sessions
    ADD COLUMN client         text NOT NULL DEFAULT 'browser' CHECK (client IN ('browser', 'command-line')),
    ADD COLUMN refresh_id     uuid,
    ADD COLUMN refresh_before uuid,
    ADD COLUMN refreshed_at   timestamptz;

DO $$
DECLARE
    its_table text;
    nobody constant text := 'nullif(current_setting(''berth.account'', true), '''') IS NULL
        AND nullif(current_setting(''berth.organization'', true), '''')::uuid = ''00000000-0000-0000-0000-000000000000''';
BEGIN
    FOREACH its_table IN ARRAY ARRAY['signing_keys', 'device_requests', 'authorization_codes'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', its_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', its_table);
    END LOOP;
    FOREACH its_table IN ARRAY ARRAY['signing_keys', 'device_requests'] LOOP
        EXECUTE format('CREATE POLICY of_the_installation ON %I USING (%s) WITH CHECK (%2$s)', its_table, nobody);
    END LOOP;
END
$$;
CREATE POLICY of_its_account ON authorization_codes
    USING (account_id = nullif(current_setting('berth.account', true), '')::uuid)
    WITH CHECK (account_id = nullif(current_setting('berth.account', true), '')::uuid);

GRANT SELECT, INSERT, DELETE, UPDATE (kek_id, salt, sealed, revoked_at) ON signing_keys TO berth_app;
GRANT SELECT, INSERT, DELETE,
    UPDATE (polled_at, interval_seconds, account_id, method, authenticated_at, is_allowed) ON device_requests TO berth_app;
GRANT SELECT, INSERT, DELETE, UPDATE (session_id) ON authorization_codes TO berth_app;
GRANT UPDATE (refresh_id, refresh_before, refreshed_at) ON sessions TO berth_app;

CREATE TRIGGER decided_once BEFORE UPDATE OF account_id, method, authenticated_at, is_allowed ON device_requests FOR EACH ROW
    WHEN (OLD.is_allowed IS NOT NULL) EXECUTE FUNCTION stays_as_it_is();
CREATE TRIGGER exchanged_once BEFORE UPDATE OF session_id ON authorization_codes FOR EACH ROW
    WHEN (OLD.session_id IS NOT NULL) EXECUTE FUNCTION stays_as_it_is();
CREATE TRIGGER revoked_for_good BEFORE UPDATE OF revoked_at ON signing_keys FOR EACH ROW
    WHEN (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at) EXECUTE FUNCTION stays_as_it_is();

-- The key-encryption keys that the server cannot be without.
GRANT SELECT (kek_id) ON signing_keys TO berth_jobs;
CREATE POLICY for_jobs ON signing_keys FOR SELECT TO berth_jobs USING (true);
