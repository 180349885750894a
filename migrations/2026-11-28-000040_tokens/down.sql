ALTER TABLE access_tokens
    DROP COLUMN scope,
    DROP COLUMN created_by,
    DROP COLUMN last_used_at,
    DROP COLUMN rotated_at,
    DROP COLUMN previous_secret_hash,
    DROP COLUMN previous_valid_until;
REVOKE UPDATE (secret_hash, expires_at) ON access_tokens FROM berth_app;
