-- The roles of Berth, for a Postgres that is ours alone (--dev, tests): made where they are missing. What an administrator runs
-- for another Postgres is in docs/operations.md. Roles belong to the whole Postgres: somebody else may be making them.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['berth_app', 'berth_jobs', 'berth_lifecycle', 'berth_backup', 'berth_server'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', wanted);
            END IF;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END LOOP;
END
$$;
SELECT pg_advisory_lock(6436014);
ALTER ROLE berth_server LOGIN;
GRANT berth_app, berth_jobs, berth_lifecycle TO berth_server;
SELECT pg_advisory_unlock(6436014);
