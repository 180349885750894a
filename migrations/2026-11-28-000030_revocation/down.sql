DROP TRIGGER tell_of_deleted_token ON access_tokens;
DROP TRIGGER tell_of_revoked_token ON access_tokens;
DROP FUNCTION tell_of_revoked_token();
