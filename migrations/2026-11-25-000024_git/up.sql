-- Where the credentials of an organisation's Git hosts come from. A token is encrypted under the organisation's data key.
CREATE TABLE git_credentials (
    organization_id uuid        NOT NULL REFERENCES organizations (id),
    host            text        NOT NULL CHECK (length(host) BETWEEN 1 AND 259),
    username        text        NOT NULL CHECK (length(username) BETWEEN 1 AND 200),
    audience        text        CHECK (length(audience) BETWEEN 1 AND 500),
    data_key_id     uuid,
    version         bigint      NOT NULL CHECK (version >= 1),
    nonce           bytea       CHECK (octet_length(nonce) = 12),
    ciphertext      bytea       CHECK (octet_length(ciphertext) >= 16),
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (organization_id, host),
    -- A stored token or an audience for signed ones.
    CHECK ((audience IS NULL) = (ciphertext IS NOT NULL)),
    CHECK ((ciphertext IS NULL) = (nonce IS NULL) AND (nonce IS NULL) = (data_key_id IS NULL))
);
ALTER TABLE git_credentials ENABLE ROW LEVEL SECURITY;
ALTER TABLE git_credentials FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_organization ON git_credentials
    USING (organization_id = nullif(current_setting('berth.organization', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('berth.organization', true), '')::uuid);
GRANT SELECT, INSERT, DELETE, UPDATE (username, audience, data_key_id, version, nonce, ciphertext, updated_at)
    ON git_credentials TO berth_app;
