-- Who acts, apart from what they prove it with: a person may have several tokens, and later none. Quotas, keys of repeated
-- requests and what is on record refer to a subject.
CREATE TABLE subjects (
    organization_id uuid        NOT NULL REFERENCES organizations (id),
    id              uuid        NOT NULL,
    kind            text        NOT NULL CHECK (kind IN ('user', 'service')),
    name            text        NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id)
);

-- 1. Expand. Each token of before is a subject of its own, with the token's id. There are few tokens, and everything else
-- refers to them, so that these rows are filled here; row-level security, which is forced upon the owner as well, is lifted
-- for that within this transaction.
ALTER TABLE access_tokens ADD COLUMN subject_id uuid;
ALTER TABLE access_tokens NO FORCE ROW LEVEL SECURITY;
INSERT INTO subjects (organization_id, id, kind, name, created_at)
    SELECT organization_id, id, 'user', name, created_at FROM access_tokens;
UPDATE access_tokens SET subject_id = id;
ALTER TABLE access_tokens FORCE ROW LEVEL SECURITY;
ALTER TABLE access_tokens
    ALTER COLUMN subject_id SET NOT NULL,
    ADD FOREIGN KEY (organization_id, subject_id) REFERENCES subjects (organization_id, id);
CREATE INDEX access_tokens_of_subject ON access_tokens (organization_id, subject_id);

ALTER TABLE subjects ENABLE ROW LEVEL SECURITY;
ALTER TABLE subjects FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_organization ON subjects
    USING (organization_id = nullif(current_setting('berth.organization', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('berth.organization', true), '')::uuid);
GRANT SELECT, INSERT ON subjects TO berth_app;

-- A key is remembered for a day, so that these are few, too. `request_hash` is keyed by the token, which is what the version
-- before compares; `fingerprint` by the server, so that a subject's other token may repeat what one of them asked for.
ALTER TABLE idempotency_keys
    ADD COLUMN subject_id  uuid,
    ADD COLUMN fingerprint bytea CHECK (octet_length(fingerprint) = 32);
ALTER TABLE idempotency_keys NO FORCE ROW LEVEL SECURITY;
UPDATE idempotency_keys SET subject_id = token_id;
ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys
    ALTER COLUMN subject_id SET NOT NULL,
    ADD FOREIGN KEY (organization_id, subject_id) REFERENCES subjects (organization_id, id),
    ADD CONSTRAINT idempotency_keys_of_subject UNIQUE (organization_id, subject_id, key);
GRANT UPDATE (fingerprint) ON idempotency_keys TO berth_app;

-- These may be many: a task of the server fills workspaces in batches. History is never rewritten: where a transition has no
-- subject, it is the one with its token's id. The keys are not validated, which would read both tables whole; what is written
-- is checked.
ALTER TABLE workspaces ADD COLUMN created_by_subject uuid;
ALTER TABLE workspaces ADD CONSTRAINT workspaces_created_by_subject_fkey
    FOREIGN KEY (organization_id, created_by_subject) REFERENCES subjects (organization_id, id) NOT VALID;
ALTER TABLE workspace_transitions ADD COLUMN subject_id uuid;
ALTER TABLE workspace_transitions ADD CONSTRAINT workspace_transitions_subject_fkey
    FOREIGN KEY (organization_id, subject_id) REFERENCES subjects (organization_id, id) NOT VALID;
GRANT UPDATE (created_by_subject) ON workspaces TO berth_app;

-- What the version before writes has a subject as well: that of its token; a token that it makes is a new one's. And who
-- created something stays who created it.
CREATE FUNCTION subject_of_token() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO public.subjects (organization_id, id, kind, name, created_at)
        VALUES (NEW.organization_id, NEW.id, 'user', NEW.name, NEW.created_at);
    NEW.subject_id := NEW.id;
    RETURN NEW;
END
$$;
CREATE TRIGGER subject_of_token BEFORE INSERT ON access_tokens FOR EACH ROW
    WHEN (NEW.subject_id IS NULL) EXECUTE FUNCTION subject_of_token();

CREATE FUNCTION subject_of_its_token() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    NEW.subject_id := (SELECT subject_id FROM public.access_tokens
                       WHERE organization_id = NEW.organization_id AND id = NEW.token_id);
    RETURN NEW;
END
$$;
CREATE TRIGGER subject_of_its_token BEFORE INSERT ON idempotency_keys FOR EACH ROW
    WHEN (NEW.subject_id IS NULL) EXECUTE FUNCTION subject_of_its_token();
CREATE TRIGGER subject_of_its_token BEFORE INSERT ON workspace_transitions FOR EACH ROW
    WHEN (NEW.subject_id IS NULL AND NEW.token_id IS NOT NULL) EXECUTE FUNCTION subject_of_its_token();

CREATE FUNCTION subject_of_creator() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.created_by_subject IS NOT NULL THEN
        RAISE EXCEPTION 'who created something stays who created it' USING ERRCODE = 'insufficient_privilege';
    END IF;
    NEW.created_by_subject := (SELECT subject_id FROM public.access_tokens
                               WHERE organization_id = NEW.organization_id AND id = NEW.created_by);
    RETURN NEW;
END
$$;
CREATE TRIGGER subject_of_creator BEFORE INSERT ON workspaces FOR EACH ROW
    WHEN (NEW.created_by_subject IS NULL) EXECUTE FUNCTION subject_of_creator();
CREATE TRIGGER subject_of_creator_stays BEFORE UPDATE OF created_by_subject ON workspaces FOR EACH ROW
    WHEN (OLD.created_by_subject IS DISTINCT FROM NEW.created_by_subject) EXECUTE FUNCTION subject_of_creator();

-- The version before takes over a key that is forgotten and knows nothing of the other mark.
CREATE FUNCTION fingerprint_of_before() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    NEW.fingerprint := NULL;
    RETURN NEW;
END
$$;
CREATE TRIGGER fingerprint_of_before BEFORE UPDATE ON idempotency_keys FOR EACH ROW
    WHEN (NEW.request_hash <> OLD.request_hash AND NEW.fingerprint = OLD.fingerprint)
    EXECUTE FUNCTION fingerprint_of_before();
