-- How many presets each company has, and no company: kept as presets come and go. To count them anew for each page took
-- PostgreSQL longer than all else that a page asks of it.

LOCK TABLE presets IN ACCESS EXCLUSIVE MODE;

CREATE TABLE preset_counts (
    home bigint GENERATED ALWAYS AS (coalesce(company_id, 0)) STORED PRIMARY KEY,
    company_id bigint REFERENCES companies CHECK (company_id > 0),
    presets bigint NOT NULL
);

-- Policies hold for the owner too, who is let see those that there are for this moment.
ALTER TABLE presets NO FORCE ROW LEVEL SECURITY;
INSERT INTO preset_counts (company_id, presets) SELECT company_id, count(*) FROM presets GROUP BY company_id;
ALTER TABLE presets FORCE ROW LEVEL SECURITY;

ALTER TABLE preset_counts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY own_company ON preset_counts TO segmentation_app
    USING (company_id = nullif(current_setting('segmentation.company_id', true), '')::bigint)
    WITH CHECK (company_id = nullif(current_setting('segmentation.company_id', true), '')::bigint);
CREATE POLICY all_companies ON preset_counts TO segmentation_all USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON preset_counts TO segmentation_app, segmentation_all;
GRANT UPDATE (presets) ON preset_counts TO segmentation_app, segmentation_all;

-- It runs as whoever stores or deletes, and so within their scope. Those of several companies are locked in one order.
CREATE FUNCTION count_presets() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO preset_counts (company_id, presets)
    SELECT company_id, count(*) * TG_ARGV[0]::bigint FROM changed GROUP BY company_id ORDER BY company_id
    ON CONFLICT (home) DO UPDATE SET presets = preset_counts.presets + excluded.presets;
    RETURN NULL;
END
$$;

CREATE TRIGGER count_added AFTER INSERT ON presets REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION count_presets('1');
CREATE TRIGGER count_deleted AFTER DELETE ON presets REFERENCING OLD TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION count_presets('-1');
