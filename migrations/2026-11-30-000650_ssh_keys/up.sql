-- A third kind of session: of a key that lets its person in by plain ssh. Nobody holds a secret of it, and nothing refreshes it.
ALTER TABLE sessions DROP CONSTRAINT sessions_client_check;
ALTER TABLE sessions ADD CONSTRAINT sessions_client_check CHECK (client IN ('browser', 'command-line', 'ssh-key'));

-- Public keys that people have registered. What one opens, and for how long, its session says, with which it goes.
CREATE TABLE ssh_keys (
    account_id  uuid        NOT NULL REFERENCES accounts (id),
    id          uuid        NOT NULL,
    session_id  uuid        NOT NULL,
    name        text        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    -- As SSH sends it.
    public_key  bytea       NOT NULL CHECK (octet_length(public_key) BETWEEN 1 AND 8192),
    fingerprint text        NOT NULL CHECK (length(fingerprint) = 50),
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (account_id, id),
    -- Of one account: whether somebody else has the same is nobody's to learn, or to forbid.
    CONSTRAINT ssh_keys_fingerprint UNIQUE (account_id, fingerprint),
    FOREIGN KEY (account_id, session_id) REFERENCES sessions (account_id, id) ON DELETE CASCADE
);

ALTER TABLE ssh_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE ssh_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_account ON ssh_keys
    USING (account_id = nullif(current_setting('berth.account', true), '')::uuid)
    WITH CHECK (account_id = nullif(current_setting('berth.account', true), '')::uuid);
GRANT SELECT, INSERT, DELETE ON ssh_keys TO berth_app;
