-- Who belongs to an organisation is changed by its people now, and they invite others. Whoever was removed stays known by what they
-- did, and is the same one again when they come back.
ALTER TABLE subjects ADD COLUMN removed_at timestamptz;
ALTER TABLE subjects ADD CONSTRAINT removed_is_suspended CHECK (removed_at IS NULL OR suspended_at IS NOT NULL);
-- A member has said what they are: no provider's rules change it.
ALTER TABLE subjects ADD COLUMN role_is_kept boolean NOT NULL DEFAULT false;
GRANT UPDATE (removed_at, role_is_kept) ON subjects TO berth_app;
CREATE INDEX subjects_listing ON subjects (organization_id, created_at DESC, id DESC) WHERE removed_at IS NULL;

CREATE TABLE invitations (
    organization_id uuid        NOT NULL REFERENCES organizations (id),
    id              uuid        NOT NULL,
    -- Of the whole token that the link holds.
    secret_hash     bytea       NOT NULL CHECK (octet_length(secret_hash) = 32),
    -- Whom it is for, as whoever made it says.
    name            text        NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    role            text        NOT NULL CHECK (length(role) BETWEEN 1 AND 50),
    created_at      timestamptz NOT NULL,
    created_by      uuid        NOT NULL,
    expires_at      timestamptz NOT NULL,
    revoked_at      timestamptz,
    accepted_at     timestamptz,
    accepted_by     uuid,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, created_by) REFERENCES subjects (organization_id, id),
    FOREIGN KEY (organization_id, accepted_by) REFERENCES subjects (organization_id, id)
);
CREATE INDEX invitations_listing ON invitations (organization_id, created_at DESC, id DESC);
ALTER TABLE invitations ENABLE ROW LEVEL SECURITY;
ALTER TABLE invitations FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_organization ON invitations
    USING (organization_id = nullif(current_setting('berth.organization', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('berth.organization', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE (revoked_at, accepted_at, accepted_by) ON invitations TO berth_app;

-- An invitation ends once.
CREATE TRIGGER ended_once BEFORE UPDATE ON invitations FOR EACH ROW
    WHEN (OLD.revoked_at IS NOT NULL OR OLD.accepted_at IS NOT NULL) EXECUTE FUNCTION stays_as_it_is();
