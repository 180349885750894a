ALTER TABLE workspaces
    DROP COLUMN demanded_cpu_millis,
    DROP COLUMN demanded_cpu_defaults,
    DROP COLUMN demanded_memory_bytes,
    DROP COLUMN demanded_memory_defaults;
