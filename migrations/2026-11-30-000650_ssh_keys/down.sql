DROP TABLE ssh_keys;
DELETE FROM sessions WHERE client = 'ssh-key';
ALTER TABLE sessions DROP CONSTRAINT sessions_client_check;
ALTER TABLE sessions ADD CONSTRAINT sessions_client_check CHECK (client IN ('browser', 'command-line'));
