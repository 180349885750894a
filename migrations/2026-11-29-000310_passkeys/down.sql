ALTER TABLE sessions DROP COLUMN verified_at;
DELETE FROM sign_in_attempts WHERE provider_id IS NULL;
ALTER TABLE sign_in_attempts DROP CONSTRAINT of_a_provider_or_none;
ALTER TABLE sign_in_attempts DROP COLUMN session_id;
ALTER TABLE sign_in_attempts ALTER COLUMN provider_id SET NOT NULL;
ALTER TABLE sign_in_attempts ALTER COLUMN provider_organization_id SET NOT NULL;
DROP TABLE passkeys;
