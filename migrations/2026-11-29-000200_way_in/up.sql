-- Codes that a browser has brought to a workspace's host are signed, and nothing is stored of them until they are exchanged: then
-- their id, so that each opens once.
CREATE TABLE spent_codes (
    account_id uuid        NOT NULL REFERENCES accounts (id),
    id         uuid        NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (account_id, id)
);

ALTER TABLE spent_codes ENABLE ROW LEVEL SECURITY;
ALTER TABLE spent_codes FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_account ON spent_codes
    USING (account_id = nullif(current_setting('berth.account', true), '')::uuid)
    WITH CHECK (account_id = nullif(current_setting('berth.account', true), '')::uuid);

GRANT SELECT, INSERT, DELETE ON spent_codes TO berth_app;
