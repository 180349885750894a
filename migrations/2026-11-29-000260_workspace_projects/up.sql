-- What project a workspace belongs to, where there is one. The key is not validated, which would read the table whole: no row has
-- a project yet, and what is written is checked. A project that still has living workspaces is not deleted by the server; of those
-- that are gone only their record says where they were.
ALTER TABLE workspaces ADD COLUMN project_id uuid;
ALTER TABLE workspaces ADD CONSTRAINT workspaces_project_id_fkey
    FOREIGN KEY (organization_id, project_id) REFERENCES projects (organization_id, id) ON DELETE SET NULL (project_id) NOT VALID;
CREATE INDEX workspaces_by_project ON workspaces (organization_id, project_id, created_at DESC, id DESC) WHERE project_id IS NOT NULL;
