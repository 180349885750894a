-- What each workspace went through, for people and for those who watch it. A row is written in the statement that
-- changes the workspace, so that the two cannot disagree.

-- How many transitions it had: the number of the newest. A constant default rewrites no table.
ALTER TABLE workspaces ADD COLUMN transitions bigint NOT NULL DEFAULT 0;

CREATE TABLE workspace_transitions (
    organization_id    uuid        NOT NULL,
    agent_id           uuid        NOT NULL,
    workspace_id       uuid        NOT NULL,
    number             bigint      NOT NULL CHECK (number >= 1),
    at                 timestamptz NOT NULL,
    desired_state      text        NOT NULL
        CHECK (desired_state IN ('Running', 'Stopped', 'RestartRequested', 'Terminated')),
    actual_state       text        NOT NULL
        CHECK (actual_state IN ('CreationRequested', 'Starting', 'Running', 'Stopping', 'Stopped', 'Failed', 'Error',
                                'Terminating', 'Terminated', 'Unknown')),
    reason             jsonb,
    generation         bigint      NOT NULL CHECK (generation >= 1),
    applied_generation bigint      NOT NULL CHECK (applied_generation >= 0),
    cause              text        NOT NULL CHECK (cause IN ('User', 'Agent', 'Server', 'Lifecycle')),
    token_id           uuid,
    -- The transaction that wrote it. All below a snapshot's xmin are decided, so that whoever reads on from there misses
    -- none, in whatever order they committed; a sequence or a clock could not promise that.
    written_in         bigint      NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
    PRIMARY KEY (organization_id, agent_id, workspace_id, number),
    FOREIGN KEY (organization_id, agent_id, workspace_id) REFERENCES workspaces (organization_id, agent_id, id),
    FOREIGN KEY (organization_id, token_id) REFERENCES access_tokens (organization_id, id),
    CHECK ((cause = 'User') = (token_id IS NOT NULL))
);
CREATE INDEX workspace_transitions_changes ON workspace_transitions (organization_id, written_in);
-- One entry for each workspace that is gone: what retention looks for.
CREATE INDEX workspace_transitions_finished ON workspace_transitions (at)
    WHERE desired_state = 'Terminated' AND actual_state = 'Terminated';

ALTER TABLE workspace_transitions ENABLE ROW LEVEL SECURITY;
ALTER TABLE workspace_transitions FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_organization ON workspace_transitions
    USING (organization_id = nullif(current_setting('berth.organization', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('berth.organization', true), '')::uuid);

-- What happened is never rewritten.
GRANT SELECT, INSERT, DELETE ON workspace_transitions TO berth_app;
GRANT UPDATE (transitions) ON workspaces TO berth_app;
