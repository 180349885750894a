-- Streams of a token end when it is revoked, by whichever server or hand: the servers are told with the commit.
-- The payload is "<organisation> <token>".
CREATE FUNCTION tell_of_revoked_token() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('berth_revoked', OLD.organization_id || ' ' || OLD.id);
    RETURN NULL;
END
$$;
CREATE TRIGGER tell_of_revoked_token AFTER UPDATE OF revoked_at ON access_tokens
    FOR EACH ROW WHEN (NEW.revoked_at IS NOT NULL) EXECUTE FUNCTION tell_of_revoked_token();
CREATE TRIGGER tell_of_deleted_token AFTER DELETE ON access_tokens
    FOR EACH ROW EXECUTE FUNCTION tell_of_revoked_token();
