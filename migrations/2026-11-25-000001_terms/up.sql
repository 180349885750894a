-- Whose epoch it is. Two processes may use one epoch when a Lease is lost; the first of them that is heard has it.
-- Null: the leader named no term, as agents of the version before do.
ALTER TABLE agents ADD COLUMN term uuid;
GRANT UPDATE (term) ON agents TO berth_app;
