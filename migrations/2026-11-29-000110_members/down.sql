DROP TABLE invitations;
ALTER TABLE subjects DROP COLUMN removed_at;
