#!/bin/sh
# Set the passwords of the roles in docs/postgresql-roles.sql from secrets in files. Runs once, when PostgreSQL creates
# its data folder.
set -eu
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set owner="$(cat /run/secrets/zik_owner_password)" --set worker="$(cat /run/secrets/zik_worker_password)" \
    --set door="$(cat /run/secrets/zik_door_password)" <<'SQL'
ALTER ROLE zik_owner PASSWORD :'owner';
ALTER ROLE zik_worker PASSWORD :'worker';
ALTER ROLE zik_door PASSWORD :'door';
SQL
