-- Roles for a time: asked for by whoever shall have them, and decided by somebody else.
CREATE TABLE elevations (
    organization_id uuid        NOT NULL REFERENCES organizations (id),
    id              uuid        NOT NULL,
    subject_id      uuid        NOT NULL,
    role            text        NOT NULL CHECK (length(role) BETWEEN 1 AND 50),
    -- Where it holds; neither: in the organisation.
    group_id        uuid,
    project_id      uuid,
    reason          text        NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    seconds         integer     NOT NULL CHECK (seconds BETWEEN 60 AND 28800),
    created_at      timestamptz NOT NULL,
    -- Until when somebody may decide.
    decide_by       timestamptz NOT NULL,
    decided_at      timestamptz,
    decided_by      uuid,
    is_approved     boolean,
    ends_at         timestamptz,
    -- Before its time; by nobody: with the membership.
    ended_at        timestamptz,
    ended_by        uuid,
    -- When it changes by itself: from then on it is over, and the record is to say so. NULL: it has said so, or nothing is to come.
    due_at          timestamptz,
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, subject_id) REFERENCES subjects (organization_id, id),
    FOREIGN KEY (organization_id, decided_by) REFERENCES subjects (organization_id, id),
    FOREIGN KEY (organization_id, ended_by) REFERENCES subjects (organization_id, id),
    -- With a place ends what somebody was there.
    FOREIGN KEY (organization_id, group_id) REFERENCES groups (organization_id, id) ON DELETE CASCADE,
    FOREIGN KEY (organization_id, project_id) REFERENCES projects (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT at_one_place CHECK (group_id IS NULL OR project_id IS NULL),
    CONSTRAINT decided_whole CHECK ((decided_at IS NULL) = (decided_by IS NULL) AND (decided_at IS NULL) = (is_approved IS NULL)),
    -- Whatever the server believes: nobody gives themselves a role.
    CONSTRAINT decided_by_somebody_else CHECK (decided_by <> subject_id),
    CONSTRAINT ends_when_approved CHECK ((ends_at IS NOT NULL) = coalesce(is_approved, false)),
    CONSTRAINT due_at_its_end CHECK (due_at = coalesce(ends_at, decide_by)),
    CONSTRAINT what_has_ended_is_not_due CHECK (due_at IS NULL OR (ended_at IS NULL AND coalesce(is_approved, true)))
);
CREATE INDEX elevations_listed ON elevations (organization_id, created_at DESC, id DESC);
CREATE INDEX elevations_of_subject ON elevations (organization_id, subject_id) WHERE due_at IS NOT NULL;
CREATE INDEX elevations_due ON elevations (due_at) WHERE due_at IS NOT NULL;
-- Their places find them when they are deleted.
CREATE INDEX elevations_of_group ON elevations (organization_id, group_id) WHERE group_id IS NOT NULL;
CREATE INDEX elevations_of_project ON elevations (organization_id, project_id) WHERE project_id IS NOT NULL;

ALTER TABLE elevations ENABLE ROW LEVEL SECURITY;
ALTER TABLE elevations FORCE ROW LEVEL SECURITY;
CREATE POLICY of_its_organization ON elevations
    USING (organization_id = nullif(current_setting('berth.organization', true), '')::uuid)
    WITH CHECK (organization_id = nullif(current_setting('berth.organization', true), '')::uuid);
GRANT SELECT, INSERT, UPDATE (decided_at, decided_by, is_approved, ends_at, ended_at, ended_by, due_at) ON elevations TO berth_app;
-- In which organisations something is due.
GRANT SELECT (organization_id, due_at) ON elevations TO berth_jobs;
CREATE POLICY for_jobs ON elevations FOR SELECT TO berth_jobs USING (true);
