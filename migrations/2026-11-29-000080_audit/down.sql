DROP TABLE audit_records;
DROP FUNCTION audit_stays();
DROP FUNCTION audit_follows();
DROP FUNCTION audit_head(uuid);
