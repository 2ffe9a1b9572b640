-- How often something happened lately, for all replicas together. It is asked before anybody is known, so no company has
-- it: only the service's unit of work over all companies can, and nothing in it is a tenant's.

CREATE TABLE throttle_hits (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX throttle_hits_of_key ON throttle_hits (key, at);
CREATE INDEX throttle_hits_by_age ON throttle_hits (at);

GRANT SELECT, INSERT, DELETE ON throttle_hits TO segmentation_all;
