-- PostgreSQL roles for zik: one owns and changes the schema, one reads and writes rows, one serves HTTP.
--
--   psql -d zik -f docs/postgresql-roles.sql       as a superuser, in zik's own database, once
--   DATABASE_URL=postgresql://zik_owner:…@host/zik  uv run zik init            for every deployment
--   DATABASE_URL=postgresql://zik_worker:…@host/zik celery -A worker worker    for every worker
--   DATABASE_URL=postgresql://zik_door:…@host/zik   zik serve                  for every HTTP server
--
-- Then give each a password, as in \password zik_owner. A worker under zik_worker does not change the
-- schema. If the schema is older than the worker, it says so, and drains and loses nothing until `zik init` has run.

CREATE ROLE zik_owner LOGIN;
CREATE ROLE zik_worker LOGIN;
CREATE ROLE zik_door LOGIN;

-- No other role creates tables here.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO zik_owner;
GRANT USAGE ON SCHEMA public TO zik_worker;
GRANT USAGE ON SCHEMA public TO zik_door;

-- The worker may read and write all tables that the owner creates, and delete rows: marks and rollups as it computes, dead
-- letters that were retried, a person whom `zik forget` erases. It gets neither TRUNCATE nor DDL, and no other tables.
ALTER DEFAULT PRIVILEGES FOR ROLE zik_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO zik_worker;
ALTER DEFAULT PRIVILEGES FOR ROLE zik_owner IN SCHEMA public
    GRANT USAGE ON SEQUENCES TO zik_worker;

-- The HTTP server may read every table, note when a token was last used, keep feedback on a song that
-- is not there yet, and delete a listen, which the triggers keep, and bring it back. It makes no token. `zik init` grants
-- this (worker/database/grants.py): rights that differ by table can only be given when the tables are there.

-- If zik's tables exist already, created by another role:
--   REASSIGN OWNED BY that_role TO zik_owner;
--   GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO zik_worker;
--   GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO zik_worker;
--   REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM zik_worker;
