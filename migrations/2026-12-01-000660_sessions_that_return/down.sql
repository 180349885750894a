DROP TRIGGER revocation_stays ON access_tokens;
CREATE TRIGGER revocation_stays BEFORE UPDATE OF revoked_at ON access_tokens FOR EACH ROW
    WHEN (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at)
    EXECUTE FUNCTION revocation_stays();
