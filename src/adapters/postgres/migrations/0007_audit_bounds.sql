-- What no record or head can be, whoever writes it: one row that cannot be read would keep all the others from being read
-- and verified. Times are what Python can tell, seals are what HMAC-SHA256 gives, and what was and is are JSON objects.

ALTER TABLE audit_records
    ADD CONSTRAINT audit_records_number CHECK (number > 0),
    ADD CONSTRAINT audit_records_at CHECK (
        at >= timestamptz '0001-01-01 00:00:00+00' AND at < timestamptz '10000-01-01 00:00:00+00'
    ),
    ADD CONSTRAINT audit_records_before CHECK (json_typeof(before) = 'object'),
    ADD CONSTRAINT audit_records_after CHECK (json_typeof(after) = 'object'),
    ADD CONSTRAINT audit_records_seal CHECK (seal ~ '^[0-9a-f]{64}$');

ALTER TABLE audit_heads
    ADD CONSTRAINT audit_heads_number CHECK (number >= 0),
    ADD CONSTRAINT audit_heads_seal CHECK (CASE number WHEN 0 THEN seal = '' ELSE seal ~ '^[0-9a-f]{64}$' END);
