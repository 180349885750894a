DROP TABLE proxy_contacts;
DROP TABLE workspace_activity;
