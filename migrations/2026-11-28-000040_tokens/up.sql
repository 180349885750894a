-- Access tokens that can be made, replaced and told apart. What was made before may everything, and nobody made it but the
-- server itself.
ALTER TABLE access_tokens
    ADD COLUMN scope                text NOT NULL DEFAULT 'full' CHECK (scope IN ('full', 'read-only')),
    -- Null: it was made on the server's machine.
    ADD COLUMN created_by           uuid,
    -- Within a minute or so: a request must not cost a write.
    ADD COLUMN last_used_at         timestamptz,
    ADD COLUMN rotated_at           timestamptz,
    -- The secret before the last rotation, for as long as it goes on opening.
    ADD COLUMN previous_secret_hash bytea CHECK (octet_length(previous_secret_hash) = 32),
    ADD COLUMN previous_valid_until timestamptz,
    ADD CHECK ((previous_secret_hash IS NULL) = (previous_valid_until IS NULL)),
    ADD FOREIGN KEY (organization_id, created_by) REFERENCES access_tokens (organization_id, id);
GRANT UPDATE (secret_hash, expires_at, last_used_at, rotated_at, previous_secret_hash, previous_valid_until)
    ON access_tokens TO berth_app;
