-- A chain for each company, and chain 0 for no company. Records are added and read; no role of the service can do more.

CREATE TABLE audit_heads (
    chain bigint GENERATED ALWAYS AS (coalesce(company_id, 0)) STORED PRIMARY KEY,
    company_id bigint REFERENCES companies CHECK (company_id > 0),
    number bigint NOT NULL,
    seal text COLLATE "C" NOT NULL
);

CREATE TABLE audit_records (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chain bigint GENERATED ALWAYS AS (coalesce(company_id, 0)) STORED REFERENCES audit_heads,
    company_id bigint CHECK (company_id > 0),
    number bigint NOT NULL,
    action text COLLATE "C" NOT NULL,
    actor_id bigint,
    actor text COLLATE "C" NOT NULL,
    subject text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    before json,
    after json,
    request_id text COLLATE "C",
    seal text COLLATE "C" NOT NULL,
    UNIQUE (chain, number)
);
CREATE INDEX audit_of_company ON audit_records (company_id, at DESC, chain DESC, number DESC)
    INCLUDE (id, action, actor);
CREATE INDEX audit_of_all ON audit_records (at DESC, chain DESC, number DESC) INCLUDE (id, action, actor);

ALTER TABLE audit_heads ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE audit_records ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY own_company ON audit_heads TO segmentation_app
    USING (company_id = nullif(current_setting('segmentation.company_id', true), '')::bigint)
    WITH CHECK (company_id = nullif(current_setting('segmentation.company_id', true), '')::bigint);
CREATE POLICY own_company ON audit_records TO segmentation_app
    USING (company_id = nullif(current_setting('segmentation.company_id', true), '')::bigint)
    WITH CHECK (company_id = nullif(current_setting('segmentation.company_id', true), '')::bigint);

CREATE POLICY all_companies ON audit_heads TO segmentation_all USING (true) WITH CHECK (true);
CREATE POLICY all_companies ON audit_records TO segmentation_all USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON audit_heads TO segmentation_app, segmentation_all;
GRANT UPDATE (number, seal) ON audit_heads TO segmentation_app, segmentation_all;
GRANT SELECT, INSERT ON audit_records TO segmentation_app, segmentation_all;
