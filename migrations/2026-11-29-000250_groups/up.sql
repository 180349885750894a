-- The tree of an organisation: groups, and projects below a group or the organisation itself.
--
-- A thing's path is made of its own name and its parent's path, which follows the parent by its foreign key: whatever is renamed or
-- moved, all below it comes along in the same statement. Nothing can be below itself, by whatever way it is written: its path would
-- have no end, and a path has at most 8 levels.
CREATE TABLE groups (
    organization_id uuid        NOT NULL REFERENCES organizations (id),
    id              uuid        NOT NULL,
    name            text        NOT NULL CHECK (name ~ '^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$'),
    parent_id       uuid,
    parent_path     text,
    path            text        NOT NULL GENERATED ALWAYS AS
                                    (CASE WHEN parent_path IS NULL THEN name ELSE parent_path || '/' || name END) STORED,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    CONSTRAINT groups_path_key UNIQUE (organization_id, path),
    UNIQUE (organization_id, id, path),
    FOREIGN KEY (organization_id, parent_id, parent_path) REFERENCES groups (organization_id, id, path) ON UPDATE CASCADE,
    CONSTRAINT parent_with_its_path CHECK ((parent_id IS NULL) = (parent_path IS NULL)),
    CONSTRAINT groups_depth CHECK (length(path) - length(replace(path, '/', '')) < 8)
);
CREATE INDEX groups_of_parent ON groups (organization_id, parent_id);
CREATE INDEX groups_listing ON groups (organization_id, created_at DESC, id DESC);

CREATE TABLE projects (
    organization_id uuid        NOT NULL REFERENCES organizations (id),
    id              uuid        NOT NULL,
    name            text        NOT NULL CHECK (name ~ '^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$'),
    group_id        uuid,
    group_path      text,
    path            text        NOT NULL GENERATED ALWAYS AS
                                    (CASE WHEN group_path IS NULL THEN name ELSE group_path || '/' || name END) STORED,
    settings        jsonb       NOT NULL CHECK (pg_column_size(settings) < 200000),
    version         bigint      NOT NULL CHECK (version > 0),
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id),
    CONSTRAINT projects_path_key UNIQUE (organization_id, path),
    FOREIGN KEY (organization_id, group_id, group_path) REFERENCES groups (organization_id, id, path) ON UPDATE CASCADE,
    CONSTRAINT group_with_its_path CHECK ((group_id IS NULL) = (group_path IS NULL))
);
CREATE INDEX projects_of_group ON projects (organization_id, group_id);
CREATE INDEX projects_listing ON projects (organization_id, created_at DESC, id DESC);

DO $$
DECLARE
    its_table text;
BEGIN
    FOREACH its_table IN ARRAY ARRAY['groups', 'projects'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', its_table);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', its_table);
        EXECUTE format('CREATE POLICY of_its_organization ON %I USING (%s) WITH CHECK (%2$s)', its_table,
                       'organization_id = nullif(current_setting(''berth.organization'', true), '''')::uuid');
    END LOOP;
END
$$;
GRANT SELECT, INSERT, UPDATE (name, parent_id, parent_path), DELETE ON groups TO berth_app;
GRANT SELECT, INSERT, UPDATE (name, group_id, group_path, settings, version, updated_at), DELETE ON projects TO berth_app;

-- They are created under a key, too.
ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_resource_kind_check;
ALTER TABLE idempotency_keys ADD CONSTRAINT idempotency_keys_resource_kind_check
    CHECK (resource_kind IN ('agent', 'workspace', 'group', 'project'));
