DROP TRIGGER proved_once ON device_requests;
ALTER TABLE device_requests DROP COLUMN proved_by;
ALTER TABLE authorization_codes DROP COLUMN proved_by;
ALTER TABLE subjects DROP COLUMN is_provided;
DROP TABLE session_proofs;
DROP TABLE sign_in_attempts;
DROP TABLE identities;
DROP TABLE identity_providers;
