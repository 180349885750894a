-- By what people sign in without a provider and without a link.
CREATE TABLE passkeys (
    account_id   uuid        NOT NULL REFERENCES accounts (id),
    id           uuid        NOT NULL,
    name         text        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    -- The authenticator's own id of it, and its public key in COSE form (ES256: 77 bytes, EdDSA: 42).
    credential   bytea       NOT NULL CHECK (octet_length(credential) BETWEEN 1 AND 1023),
    public_key   bytea       NOT NULL CHECK (octet_length(public_key) IN (42, 77)),
    -- How often it was used by its own word; 0: it does not count.
    counter      bigint      NOT NULL CHECK (counter BETWEEN 0 AND 4294967295),
    created_at   timestamptz NOT NULL,
    last_used_at timestamptz,
    PRIMARY KEY (account_id, id)
);
CREATE UNIQUE INDEX passkeys_credential ON passkeys (credential);

ALTER TABLE passkeys ENABLE ROW LEVEL SECURITY;
ALTER TABLE passkeys FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_account ON passkeys
    USING (account_id = nullif(current_setting('berth.account', true), '')::uuid)
    WITH CHECK (account_id = nullif(current_setting('berth.account', true), '')::uuid);
GRANT SELECT, INSERT, DELETE, UPDATE (counter, last_used_at) ON passkeys TO berth_app;

-- Also what a browser was asked of a passkey: then there is no provider, and for who is signed in there is their session.
ALTER TABLE sign_in_attempts ALTER COLUMN provider_organization_id DROP NOT NULL;
ALTER TABLE sign_in_attempts ALTER COLUMN provider_id DROP NOT NULL;
ALTER TABLE sign_in_attempts ADD COLUMN session_id uuid;
ALTER TABLE sign_in_attempts ADD CONSTRAINT of_a_provider_or_none
    CHECK ((provider_organization_id IS NULL) = (provider_id IS NULL) AND (provider_id IS NULL OR session_id IS NULL));

-- When an authenticator has last made sure who is there.
ALTER TABLE sessions ADD COLUMN verified_at timestamptz;
GRANT UPDATE (verified_at) ON sessions TO berth_app;
