-- What is under a data key: SHA-256 of every row with all that decides where its secret goes. A workspace's key has one of its
-- variables, a scope's has one of its variables and after it one of each Git credential. It is bound into the wrapped key, so
-- that a row that was changed, moved or removed is noticed; NULL: wrapped before, and bound by a job of the server.
ALTER TABLE workspace_data_keys ADD COLUMN contents bytea CHECK (octet_length(contents) = 32);
ALTER TABLE scope_data_keys ADD COLUMN contents bytea
    CHECK (octet_length(contents) >= 32 AND octet_length(contents) % 32 = 0);
CREATE INDEX workspace_data_keys_unbound ON workspace_data_keys (organization_id, id) WHERE contents IS NULL;
GRANT UPDATE (contents) ON workspace_data_keys, scope_data_keys TO berth_app;

-- Whether there ever was a data key: a key that is gone, with everything under it, is noticed as well. NULL, in a workspace:
-- made before, and not looked at yet.
ALTER TABLE workspaces ADD COLUMN sealed_variables integer CHECK (sealed_variables >= 0);
ALTER TABLE organizations ADD COLUMN sealed boolean NOT NULL DEFAULT false;
GRANT UPDATE (sealed_variables) ON workspaces TO berth_app;
GRANT UPDATE (sealed) ON organizations TO berth_app;

-- The application writes it once; the owner may, after a loss that is accepted.
CREATE FUNCTION sealed_stays() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF current_user = 'berth_app' THEN
        RAISE EXCEPTION 'what was sealed stays noted' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER sealed_stays BEFORE UPDATE OF sealed_variables ON workspaces FOR EACH ROW
    WHEN (OLD.sealed_variables IS NOT NULL AND NEW.sealed_variables IS DISTINCT FROM OLD.sealed_variables)
    EXECUTE FUNCTION sealed_stays();
CREATE TRIGGER sealed_stays BEFORE UPDATE OF sealed ON organizations FOR EACH ROW
    WHEN (OLD.sealed AND NOT NEW.sealed) EXECUTE FUNCTION sealed_stays();
