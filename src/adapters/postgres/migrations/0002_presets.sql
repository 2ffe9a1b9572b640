-- Documents are json, not jsonb: what was sent comes back with its members in their order, and \u0000 where it had one.

CREATE TABLE presets (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company_id bigint REFERENCES companies,
    owner_id bigint REFERENCES users ON DELETE SET NULL,
    created_by_id bigint NOT NULL,
    username text COLLATE "C" NOT NULL,
    folded_username text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    folded_name text COLLATE "C" NOT NULL,
    document json NOT NULL,
    created timestamptz NOT NULL,
    updated timestamptz NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    catalog text COLLATE "C" NOT NULL,
    fingerprint text COLLATE "C",
    -- Presets without an owner may share a name: NULL is not equal to NULL.
    CONSTRAINT presets_name_unique UNIQUE (owner_id, name),
    CONSTRAINT presets_company_unique UNIQUE (id, company_id),
    FOREIGN KEY (owner_id, company_id) REFERENCES users (id, company_id) ON DELETE SET NULL (owner_id)
);
-- Pages are counted, searched and passed over in the index alone.
CREATE INDEX presets_of_company ON presets (company_id, created DESC, id DESC) INCLUDE (folded_name);
CREATE INDEX presets_of_owner ON presets (owner_id, created DESC, id DESC) INCLUDE (company_id, folded_name);
CREATE INDEX presets_of_all ON presets (created DESC, id DESC) INCLUDE (folded_name);
CREATE INDEX presets_of_username ON presets (company_id, folded_username, created DESC, id DESC);
CREATE INDEX presets_of_username_in_all ON presets (folded_username, created DESC, id DESC);
CREATE INDEX presets_alike ON presets (company_id, fingerprint, id);

CREATE TABLE preset_versions (
    preset_id bigint NOT NULL REFERENCES presets ON DELETE CASCADE,
    version bigint NOT NULL CHECK (version > 0),
    company_id bigint,
    name text COLLATE "C" NOT NULL,
    document json NOT NULL,
    changed timestamptz NOT NULL,
    changed_by text COLLATE "C" NOT NULL,
    PRIMARY KEY (preset_id, version),
    FOREIGN KEY (preset_id, company_id) REFERENCES presets (id, company_id) ON DELETE CASCADE
);

ALTER TABLE presets ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE preset_versions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY own_company ON presets TO segmentation_app
    USING (company_id = nullif(current_setting('segmentation.company_id', true), '')::bigint)
    WITH CHECK (company_id = nullif(current_setting('segmentation.company_id', true), '')::bigint);
CREATE POLICY own_company ON preset_versions TO segmentation_app
    USING (company_id = nullif(current_setting('segmentation.company_id', true), '')::bigint)
    WITH CHECK (company_id = nullif(current_setting('segmentation.company_id', true), '')::bigint);

CREATE POLICY all_companies ON presets TO segmentation_all USING (true) WITH CHECK (true);
CREATE POLICY all_companies ON preset_versions TO segmentation_all USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, DELETE ON presets TO segmentation_app, segmentation_all;
GRANT UPDATE (name, folded_name, document, updated, version, catalog, fingerprint)
    ON presets TO segmentation_app, segmentation_all;
-- History is written once; it goes with its preset, by the foreign key.
GRANT SELECT, INSERT ON preset_versions TO segmentation_app, segmentation_all;
