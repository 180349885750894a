-- The role berth_app stays: it belongs to the whole Postgres, and other databases may use it.
DROP TABLE idempotency_keys;
DROP TABLE workspace_variables;
DROP TABLE workspace_data_keys;
DROP TABLE workspaces;
DROP TABLE agents;
DROP TABLE access_tokens;
DROP TABLE organizations;
DROP TABLE installation;
REVOKE USAGE ON SCHEMA public FROM berth_app;
