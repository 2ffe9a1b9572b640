-- Who may reset a password: the digest of a token that was mailed, one for each user at the most.

CREATE TABLE password_resets (
    user_id bigint PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    company_id bigint,
    digest text COLLATE "C" NOT NULL CONSTRAINT password_resets_digest_unique UNIQUE,
    created timestamptz NOT NULL,
    FOREIGN KEY (user_id, company_id) REFERENCES users (id, company_id) ON DELETE CASCADE
);
CREATE INDEX password_resets_of_company ON password_resets (company_id, created);
CREATE INDEX password_resets_of_all ON password_resets (created);

ALTER TABLE password_resets ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY own_company ON password_resets TO segmentation_app
    USING (company_id = nullif(current_setting('segmentation.company_id', true), '')::bigint)
    WITH CHECK (company_id = nullif(current_setting('segmentation.company_id', true), '')::bigint);
CREATE POLICY all_companies ON password_resets TO segmentation_all USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, DELETE ON password_resets TO segmentation_app, segmentation_all;
GRANT UPDATE (digest, created) ON password_resets TO segmentation_app, segmentation_all;
