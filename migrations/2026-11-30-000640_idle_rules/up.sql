-- After how long workspaces in which nothing happens are stopped, as an organisation, a group, a project or a workspace says it, and the
-- longest time that something nearer may say. With a group, a project or a workspace ends what it said.
CREATE TABLE idle_rules (
    organization_id uuid        NOT NULL REFERENCES organizations (id),
    scope           text        NOT NULL CHECK (scope IN ('organization', 'group', 'project', 'workspace')),
    -- Of the organisation its own.
    scope_id        uuid        NOT NULL,
    -- Minutes; with `never` none: not at all. Neither: nothing is said of how long.
    stop_after      integer     CHECK (stop_after > 0),
    never           boolean     NOT NULL,
    max_minutes     integer     CHECK (max_minutes > 0),
    updated_at      timestamptz NOT NULL,
    group_id        uuid GENERATED ALWAYS AS (CASE WHEN scope = 'group' THEN scope_id END) STORED,
    project_id      uuid GENERATED ALWAYS AS (CASE WHEN scope = 'project' THEN scope_id END) STORED,
    workspace_id    uuid GENERATED ALWAYS AS (CASE WHEN scope = 'workspace' THEN scope_id END) STORED,
    PRIMARY KEY (organization_id, scope, scope_id),
    CONSTRAINT of_its_own_organization CHECK (scope <> 'organization' OR scope_id = organization_id),
    CONSTRAINT says_something CHECK (never OR stop_after IS NOT NULL OR max_minutes IS NOT NULL),
    CONSTRAINT says_one_time CHECK (NOT never OR stop_after IS NULL),
    CONSTRAINT no_maximum_of_one CHECK (scope <> 'workspace' OR max_minutes IS NULL),
    FOREIGN KEY (organization_id, group_id) REFERENCES groups (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, project_id) REFERENCES projects (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, workspace_id) REFERENCES workspaces (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX idle_rules_of_group ON idle_rules (organization_id, group_id) WHERE group_id IS NOT NULL;
CREATE INDEX idle_rules_of_project ON idle_rules (organization_id, project_id) WHERE project_id IS NOT NULL;
CREATE INDEX idle_rules_of_workspace ON idle_rules (organization_id, workspace_id) WHERE workspace_id IS NOT NULL;

ALTER TABLE idle_rules ENABLE ROW LEVEL SECURITY;
ALTER TABLE idle_rules FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_organization ON idle_rules
    USING (organization_id = nullif(current_setting('berth.organization', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('berth.organization', true), '')::uuid);
GRANT SELECT, INSERT, DELETE, UPDATE (stop_after, never, max_minutes, updated_at) ON idle_rules TO berth_app;

-- Who said the rule by which something was stopped as idle, and when that was: a server of before writes the rest of the row without it.
ALTER TABLE workspace_activity ADD COLUMN stopped_by jsonb;
GRANT UPDATE (stopped_by) ON workspace_activity TO berth_app;
