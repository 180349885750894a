-- What a workspace's containers may take, for quotas: the sum of their limits, and how many of them say nothing and take
-- the agent's default. Beside the spec, so that counting reads no JSON. Rows from before count as taking nothing until
-- their spec is written again.
ALTER TABLE workspaces
    ADD COLUMN demanded_cpu_millis      bigint NOT NULL DEFAULT 0 CHECK (demanded_cpu_millis >= 0),
    ADD COLUMN demanded_cpu_defaults    bigint NOT NULL DEFAULT 0 CHECK (demanded_cpu_defaults >= 0),
    ADD COLUMN demanded_memory_bytes    bigint NOT NULL DEFAULT 0 CHECK (demanded_memory_bytes >= 0),
    ADD COLUMN demanded_memory_defaults bigint NOT NULL DEFAULT 0 CHECK (demanded_memory_defaults >= 0);

GRANT UPDATE (demanded_cpu_millis, demanded_cpu_defaults, demanded_memory_bytes, demanded_memory_defaults)
    ON workspaces TO berth_app;
