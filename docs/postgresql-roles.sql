-- PostgreSQL roles for zik: one that owns the schema and changes it, and one that only works with its rows.
--
--   psql -d zik -f docs/postgresql-roles.sql       as a superuser, in zik's own database, once
--   DATABASE_URL=postgresql://zik_owner:…@host/zik  uv run zik init            for every deployment
--   DATABASE_URL=postgresql://zik_worker:…@host/zik celery -A worker worker    for every worker
--
-- Then give both a password: \password zik_owner, \password zik_worker. A worker that is started under zik_worker finds
-- the schema in place and leaves it alone; where the schema is older than the worker, it says so, drains nothing and
-- loses nothing until `zik init` has run.

CREATE ROLE zik_owner LOGIN;
CREATE ROLE zik_worker LOGIN;

-- Nobody else makes tables here.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO zik_owner;
GRANT USAGE ON SCHEMA public TO zik_worker;

-- Whatever the owner will make, the worker may read, fill and delete from: marks and rollups as it computes, dead letters
-- that were retried, a person whom `zik forget` erases. TRUNCATE, DDL and other people's tables it gets not.
ALTER DEFAULT PRIVILEGES FOR ROLE zik_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO zik_worker;
ALTER DEFAULT PRIVILEGES FOR ROLE zik_owner IN SCHEMA public
    GRANT USAGE ON SEQUENCES TO zik_worker;

-- Where zik's tables are there already, made by the owner of that time:
--   REASSIGN OWNED BY that_role TO zik_owner;
--   GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO zik_worker;
--   GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO zik_worker;
--   REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM zik_worker;
