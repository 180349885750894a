DROP TABLE agent_events;
ALTER TABLE agents
    DROP COLUMN token_made_at,
    DROP COLUMN previous_secret_hash,
    DROP COLUMN previous_valid_until,
    DROP COLUMN previous_term,
    DROP COLUMN settled_at;
REVOKE UPDATE (secret_hash) ON agents FROM berth_app;
