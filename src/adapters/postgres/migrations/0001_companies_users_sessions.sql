-- Text has the collation C: it sorts by code points, as the stores in memory do, and an index serves every comparison.
-- What is compared whatever its case has a column with the text as Python folds it, which PostgreSQL folds otherwise.
--
-- The policies are one for each role and as plain as can be: with `all or this company` in one policy, every plan was a
-- sequential scan. Without a setting the company is NULL, which is nobody's.

GRANT USAGE ON SCHEMA public TO segmentation_app, segmentation_all;

CREATE TABLE companies (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    folded_name text COLLATE "C" NOT NULL CONSTRAINT companies_name_unique UNIQUE
);

CREATE TABLE users (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    company_id bigint REFERENCES companies,
    username text COLLATE "C" NOT NULL,
    folded_username text COLLATE "C" NOT NULL CONSTRAINT users_username_unique UNIQUE,
    role text COLLATE "C" NOT NULL CHECK (role IN ('SuperAdmin', 'Admin', 'Manager', 'User')),
    first_name text COLLATE "C" NOT NULL,
    folded_first_name text COLLATE "C" NOT NULL,
    last_name text COLLATE "C" NOT NULL,
    folded_last_name text COLLATE "C" NOT NULL,
    dsp boolean NOT NULL,
    active boolean NOT NULL,
    password_hash text COLLATE "C" NOT NULL,
    created timestamptz NOT NULL,
    created_by_id bigint,
    last_login timestamptz,
    CONSTRAINT users_super_admin_company CHECK ((role = 'SuperAdmin') = (company_id IS NULL)),
    -- For the foreign keys that hold a row's company to its user's.
    CONSTRAINT users_company_unique UNIQUE (id, company_id)
);
CREATE INDEX users_of_company ON users (company_id, role, first_name, id);
CREATE INDEX users_of_all ON users (role, first_name, id);

-- The foreign keys without a company hold the rows of no company too, of which the others say nothing.
CREATE TABLE sessions (
    id text COLLATE "C" PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    company_id bigint,
    created timestamptz NOT NULL,
    seen timestamptz NOT NULL,
    FOREIGN KEY (user_id, company_id) REFERENCES users (id, company_id) ON DELETE CASCADE
);
CREATE INDEX sessions_of_user ON sessions (user_id);
CREATE INDEX sessions_of_company ON sessions (company_id, created);
CREATE INDEX sessions_of_all ON sessions (created);

ALTER TABLE companies ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE users ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE sessions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

CREATE POLICY own_company ON companies TO segmentation_app
    USING (id = nullif(current_setting('segmentation.company_id', true), '')::bigint)
    WITH CHECK (id = nullif(current_setting('segmentation.company_id', true), '')::bigint);
CREATE POLICY own_company ON users TO segmentation_app
    USING (company_id = nullif(current_setting('segmentation.company_id', true), '')::bigint)
    WITH CHECK (company_id = nullif(current_setting('segmentation.company_id', true), '')::bigint);
CREATE POLICY own_company ON sessions TO segmentation_app
    USING (company_id = nullif(current_setting('segmentation.company_id', true), '')::bigint)
    WITH CHECK (company_id = nullif(current_setting('segmentation.company_id', true), '')::bigint);

CREATE POLICY all_companies ON companies TO segmentation_all USING (true) WITH CHECK (true);
CREATE POLICY all_companies ON users TO segmentation_all USING (true) WITH CHECK (true);
CREATE POLICY all_companies ON sessions TO segmentation_all USING (true) WITH CHECK (true);

GRANT SELECT ON companies TO segmentation_app;
GRANT SELECT, INSERT ON companies TO segmentation_all;

GRANT SELECT, INSERT, DELETE ON users, sessions TO segmentation_app, segmentation_all;
GRANT UPDATE (
    role, dsp, active, first_name, folded_first_name, last_name, folded_last_name, last_login, password_hash
) ON users TO segmentation_app, segmentation_all;
GRANT UPDATE (seen) ON sessions TO segmentation_app, segmentation_all;
