-- The roles of a PostgreSQL server (15 or later), made once by a superuser before the first migration. Run again, it puts
-- right what it finds; passwords stay as they are. Then:
--
--     CREATE DATABASE segmentation OWNER segmentation_owner;
--
-- segmentation_owner   owns the tables and runs the migrations
-- segmentation_app     is the service: it sees one company at a time, or nothing
-- segmentation_all     sees all companies; the service becomes it for the time of one transaction,
--                      and on connections that only read sessions

BEGIN;

SELECT pg_advisory_xact_lock(6007126, 2);

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['segmentation_owner', 'segmentation_app', 'segmentation_all'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I', wanted);
        END IF;
    END LOOP;
END
$$;

ALTER ROLE segmentation_owner LOGIN NOSUPERUSER NOCREATEROLE NOREPLICATION NOBYPASSRLS;
ALTER ROLE segmentation_app LOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
ALTER ROLE segmentation_all NOLOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;

-- From PostgreSQL 16 on, whether a membership is inherited stands with the membership, not with the member.
DO $$
BEGIN
    IF current_setting('server_version_num')::int >= 160000 THEN
        EXECUTE 'GRANT segmentation_all TO segmentation_app WITH INHERIT FALSE, SET TRUE, ADMIN FALSE';
    ELSE
        GRANT segmentation_all TO segmentation_app;
    END IF;
END
$$;

COMMIT;
