-- How often an account's password was replaced: what a device is known by is of one generation of it. Another hash of the
-- same password, as of a higher cost, is of the same generation.

ALTER TABLE users ADD COLUMN password_generation bigint NOT NULL DEFAULT 0;

GRANT UPDATE (password_generation) ON users TO segmentation_app, segmentation_all;
