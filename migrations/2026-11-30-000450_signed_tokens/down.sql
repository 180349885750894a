DROP TABLE issuer_names;
ALTER TABLE access_tokens DROP COLUMN signed_by;
