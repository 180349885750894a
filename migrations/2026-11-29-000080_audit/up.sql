-- What is on record of everything that happens in an organisation: a chain from its first record. `record` is the canonical JSON
-- that is hashed, byte by byte; the columns beside it are for finding records and are never believed.
CREATE TABLE audit_records (
    organization_id uuid        NOT NULL REFERENCES organizations (id),
    -- From 1, without a gap.
    sequence        bigint      NOT NULL CHECK (sequence > 0),
    at              timestamptz NOT NULL,
    previous_hash   bytea       NOT NULL CHECK (octet_length(previous_hash) = 32),
    hash            bytea       NOT NULL CHECK (octet_length(hash) = 32),
    record          bytea       NOT NULL,
    -- NULL: an agent or the server itself.
    subject_id      uuid,
    action          text        NOT NULL,
    resource_kind   text        NOT NULL,
    resource_id     text,
    outcome         text        NOT NULL CHECK (outcome IN ('done', 'denied')),
    CHECK (hash = sha256(previous_hash || record)),
    PRIMARY KEY (organization_id, sequence)
);
CREATE INDEX audit_records_of_subject ON audit_records (organization_id, subject_id, sequence);
CREATE INDEX audit_records_of_action ON audit_records (organization_id, action, sequence);
CREATE INDEX audit_records_of_resource ON audit_records (organization_id, resource_kind, resource_id, sequence);
CREATE INDEX audit_records_denied ON audit_records (organization_id, sequence) WHERE outcome = 'denied';

ALTER TABLE audit_records ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_records FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_organization ON audit_records
    USING (organization_id = nullif(current_setting('berth.organization', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('berth.organization', true), '')::uuid);
GRANT SELECT, INSERT ON audit_records TO berth_app;

-- The end of an organisation's chain (none: no row), held until the transaction ends: of several that append at once each waits
-- for the one before, and what is rolled back leaves no gap. The lock is taken before the end is looked at, each by a statement
-- with a snapshot of its own. It is the last one that a transaction takes, so that nobody who holds it waits for another.
CREATE FUNCTION audit_head(organization uuid) RETURNS TABLE (sequence bigint, hash bytea)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('berth audit ' || organization::text, 0));
    RETURN QUERY SELECT r.sequence, r.hash FROM public.audit_records r
        WHERE r.organization_id = organization ORDER BY r.sequence DESC LIMIT 1;
END
$$;

-- A second wall: whoever has the application's connection can append to the chain's end, and nowhere else.
CREATE FUNCTION audit_follows() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF NEW.sequence = 1 THEN
        IF NEW.previous_hash <> decode(repeat('00', 32), 'hex') THEN
            RAISE EXCEPTION 'the first record follows nothing' USING ERRCODE = 'check_violation';
        END IF;
    ELSIF NOT EXISTS (SELECT FROM public.audit_records r
                      WHERE r.organization_id = NEW.organization_id AND r.sequence = NEW.sequence - 1
                        AND r.hash = NEW.previous_hash) THEN
        RAISE EXCEPTION 'a record follows the one before it' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER audit_follows BEFORE INSERT ON audit_records FOR EACH ROW EXECUTE FUNCTION audit_follows();

-- What is on record stays, whoever asks, the owner and superusers included. Retention will get a role of its own, for whole
-- segments that were signed.
CREATE FUNCTION audit_stays() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'what is on record stays on record' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_records
    FOR EACH STATEMENT EXECUTE FUNCTION audit_stays();
