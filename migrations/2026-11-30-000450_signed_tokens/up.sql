-- Access tokens that are signed. A row still holds the SHA-256 of the whole text, as that of an opaque one of before: a server of before
-- reads and rotates both kinds of rows, and writes opaque ones.
ALTER TABLE access_tokens
    -- Which key signed the newest secret. Null: it is opaque.
    ADD COLUMN signed_by text CHECK (length(signed_by) = 43);
GRANT UPDATE (signed_by) ON access_tokens TO berth_app;

-- How servers of this installation call themselves in what they sign. An access token goes on when the name changes, and commands sign as
-- the servers do.
CREATE TABLE issuer_names (
    name    text        PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 300),
    -- Within an hour or so.
    used_at timestamptz NOT NULL
);
ALTER TABLE issuer_names ENABLE ROW LEVEL SECURITY;
ALTER TABLE issuer_names FORCE ROW LEVEL SECURITY;
CREATE POLICY of_the_installation ON issuer_names
    USING (nullif(current_setting('berth.account', true), '') IS NULL
        AND nullif(current_setting('berth.organization', true), '')::uuid = '00000000-0000-0000-0000-000000000000')
    WITH CHECK (nullif(current_setting('berth.account', true), '') IS NULL
        AND nullif(current_setting('berth.organization', true), '')::uuid = '00000000-0000-0000-0000-000000000000');
GRANT SELECT, INSERT, DELETE, UPDATE (used_at) ON issuer_names TO berth_app;
