-- A session that an organisation has taken away opens it again once its person has proven anew who they are: what was revoked for
-- good is a token, which somebody else may have. Whoever writes here as the application could note such a proof just as well.
DROP TRIGGER revocation_stays ON access_tokens;
CREATE TRIGGER revocation_stays BEFORE UPDATE OF revoked_at ON access_tokens FOR EACH ROW
    WHEN (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at AND NOT OLD.is_session)
    EXECUTE FUNCTION revocation_stays();
