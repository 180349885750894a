-- A generation is at most 2^53. One beyond that came from an annotation which somebody edited, could not be raised any more,
-- and made everything that raises it fail. Such a workspace begins to count anew, with nothing proven.
--
-- All organisations' rows, for which row-level security has to look away.
ALTER TABLE workspaces NO FORCE ROW LEVEL SECURITY;

UPDATE workspaces SET generation = 1, applied_generation = 0
    WHERE generation > 9007199254740992 OR applied_generation > 9007199254740992;

ALTER TABLE workspaces FORCE ROW LEVEL SECURITY;

ALTER TABLE workspaces
    ADD CONSTRAINT workspaces_generation_range
        CHECK (generation <= 9007199254740992 AND applied_generation <= 9007199254740992);
