-- Credentials of Git hosts of groups, projects and members. Those of the organisation stay in `git_credentials`, whose key has a place
-- for no other scope.
CREATE TABLE scope_git_credentials (
    organization_id uuid        NOT NULL REFERENCES organizations (id),
    scope           text        NOT NULL,
    scope_id        uuid        NOT NULL,
    host            text        NOT NULL CHECK (length(host) BETWEEN 1 AND 253),
    plain_http      boolean     NOT NULL,
    username        text        NOT NULL CHECK (length(username) BETWEEN 1 AND 200),
    audience        text        CHECK (length(audience) BETWEEN 1 AND 500),
    data_key_id     uuid,
    version         bigint      NOT NULL CHECK (version >= 1),
    nonce           bytea       CHECK (octet_length(nonce) = 12),
    ciphertext      bytea       CHECK (octet_length(ciphertext) >= 16),
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (organization_id, scope, scope_id, host),
    FOREIGN KEY (organization_id, scope, scope_id) REFERENCES sealed_scopes (organization_id, scope, scope_id) ON DELETE CASCADE,
    CHECK ((audience IS NULL) = (ciphertext IS NOT NULL)),
    CHECK ((ciphertext IS NULL) = (nonce IS NULL) AND (nonce IS NULL) = (data_key_id IS NULL))
);
ALTER TABLE scope_git_credentials ENABLE ROW LEVEL SECURITY;
ALTER TABLE scope_git_credentials FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_organization ON scope_git_credentials
    USING (organization_id = nullif(current_setting('berth.organization', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('berth.organization', true), '')::uuid);
GRANT SELECT, INSERT, DELETE,
      UPDATE (plain_http, username, audience, data_key_id, version, nonce, ciphertext, updated_at)
    ON scope_git_credentials TO berth_app;
