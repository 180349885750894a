-- Which rules an organisation has written about who may do what, one version after the other. A version is never changed; the
-- organisation points to the one that holds. Without one, or where a version has no rules, the built-in ones hold.
CREATE TABLE policy_versions (
    organization_id uuid        NOT NULL REFERENCES organizations (id),
    version         bigint      NOT NULL CHECK (version > 0),
    rules           text        CHECK (octet_length(rules) <= 65536),
    created_at      timestamptz NOT NULL,
    -- The subject; NULL: somebody at the server's machine.
    created_by      uuid,
    PRIMARY KEY (organization_id, version),
    FOREIGN KEY (organization_id, created_by) REFERENCES subjects (organization_id, id)
);
ALTER TABLE policy_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE policy_versions FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_organization ON policy_versions
    USING (organization_id = nullif(current_setting('berth.organization', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('berth.organization', true), '')::uuid);
GRANT SELECT, INSERT ON policy_versions TO berth_app;

-- Read with the proof of every request, which reads the organisation anyhow.
ALTER TABLE organizations ADD COLUMN policy_version bigint;
ALTER TABLE organizations ADD CONSTRAINT organizations_policy_version_fkey
    FOREIGN KEY (id, policy_version) REFERENCES policy_versions (organization_id, version);
GRANT UPDATE (policy_version) ON organizations TO berth_app;
