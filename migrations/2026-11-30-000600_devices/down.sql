ALTER TABLE accounts DROP COLUMN new_device_id, DROP COLUMN new_device_at, DROP COLUMN failed_sign_ins, DROP COLUMN failed_sign_in_at;
ALTER TABLE sessions DROP COLUMN device_id;
DROP TABLE devices;
