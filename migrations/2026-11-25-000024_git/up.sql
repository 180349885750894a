-- Where the credentials of an organisation's Git hosts come from: an audience for signed tokens, or a token that is encrypted
-- under the organisation's data key.
CREATE TABLE git_credentials (
    organization_id uuid        NOT NULL REFERENCES organizations (id),
    host            text        NOT NULL CHECK (length(host) BETWEEN 1 AND 253),
    plain_http      boolean     NOT NULL,
    username        text        NOT NULL CHECK (length(username) BETWEEN 1 AND 200),
    audience        text        CHECK (length(audience) BETWEEN 1 AND 500),
    data_key_id     uuid,
    version         bigint      NOT NULL CHECK (version >= 1),
    nonce           bytea       CHECK (octet_length(nonce) = 12),
    ciphertext      bytea       CHECK (octet_length(ciphertext) >= 16),
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (organization_id, host),
    CHECK ((audience IS NULL) = (ciphertext IS NOT NULL)),
    CHECK ((ciphertext IS NULL) = (nonce IS NULL) AND (nonce IS NULL) = (data_key_id IS NULL))
);
ALTER TABLE git_credentials ENABLE ROW LEVEL SECURITY;
ALTER TABLE git_credentials FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_organization ON git_credentials
    USING (organization_id = nullif(current_setting('berth.organization', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('berth.organization', true), '')::uuid);
GRANT SELECT, INSERT, DELETE,
      UPDATE (plain_http, username, audience, data_key_id, version, nonce, ciphertext, updated_at)
    ON git_credentials TO berth_app;

-- +1 with every change of the table above; also the version of the value that the change brought.
ALTER TABLE organizations ADD COLUMN git_version bigint NOT NULL DEFAULT 0;
GRANT UPDATE (git_version) ON organizations TO berth_app;
