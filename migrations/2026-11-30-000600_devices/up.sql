-- Where an account has signed in: browsers, by what they keep, and command lines that were let in from elsewhere.
CREATE TABLE devices (
    account_id    uuid        NOT NULL REFERENCES accounts (id),
    id            uuid        NOT NULL,
    -- SHA-256 of what a browser keeps; NULL: a command line.
    secret_hash   bytea       CHECK (octet_length(secret_hash) = 32),
    -- The session by which it came.
    session_id    uuid        NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at  timestamptz NOT NULL,
    -- Since when it is known as their own; NULL: the person is told of it.
    known_since   timestamptz,
    PRIMARY KEY (account_id, id)
);
CREATE UNIQUE INDEX devices_secret ON devices (account_id, secret_hash);

ALTER TABLE devices ENABLE ROW LEVEL SECURITY;
ALTER TABLE devices FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_account ON devices
    USING (account_id = nullif(current_setting('berth.account', true), '')::uuid)
    WITH CHECK (account_id = nullif(current_setting('berth.account', true), '')::uuid);
GRANT SELECT, INSERT, DELETE, UPDATE (last_seen_at, known_since) ON devices TO berth_app;

-- NULL: it began before devices were told apart.
ALTER TABLE sessions ADD COLUMN device_id uuid;

-- The newest device that is not known as their own, and the attempts to sign in as them that failed.
ALTER TABLE accounts
    ADD COLUMN new_device_id        uuid,
    ADD COLUMN new_device_at        timestamptz,
    ADD COLUMN failed_sign_ins      bigint NOT NULL DEFAULT 0,
    ADD COLUMN failed_sign_in_at    timestamptz;
GRANT UPDATE (new_device_id, new_device_at, failed_sign_ins, failed_sign_in_at) ON accounts TO berth_app;
