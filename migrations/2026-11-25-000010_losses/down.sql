ALTER TABLE agents DROP COLUMN suspected_loss, DROP COLUMN full_wanted;
