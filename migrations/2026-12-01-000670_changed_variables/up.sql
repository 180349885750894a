-- The generation with which a workspace's variables last became others than those of its creation; 0: they never did. The agent gets them
-- with every directive until the cluster has proven that generation.
ALTER TABLE workspaces ADD COLUMN variables_generation bigint NOT NULL DEFAULT 0
    CHECK (variables_generation BETWEEN 0 AND 9007199254740992);
GRANT UPDATE (variables_generation) ON workspaces TO berth_app;

-- When the workspace took a value; absent: at its creation.
ALTER TABLE workspace_variables ADD COLUMN taken_at timestamptz;

-- What takes the place of one, or of none, is another row. That one is gone which should be there is noticed by the key that it is under.
GRANT DELETE ON workspace_variables TO berth_app;
