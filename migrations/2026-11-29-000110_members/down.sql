DROP TABLE invitations;
ALTER TABLE subjects DROP COLUMN role_is_kept, DROP COLUMN removed_at;
