REVOKE UPDATE (refresh_id, refresh_before, refreshed_at) ON sessions FROM berth_app;
ALTER TABLE sessions DROP COLUMN refreshed_at, DROP COLUMN refresh_before, DROP COLUMN refresh_id, DROP COLUMN client;
DROP TABLE authorization_codes;
DROP TABLE device_requests;
DROP TABLE signing_keys;
