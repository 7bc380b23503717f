#!/bin/sh
# Dump the database into BACKUP_FOLDER, and delete dumps older than BACKUP_KEEP_DAYS once the new one is complete.
#   backup.sh                    one dump
#   backup.sh --every SECONDS    one now, then one in each period; a failed one is tried again after a minute
# Connects as the PG* variables say; the password is in the file PGPASSWORD_FILE.
set -eu
umask 077

dump() {
    name="$BACKUP_FOLDER/zik-$(date -u +%Y%m%dT%H%M%SZ).dump"
    PGPASSWORD=$(cat "${PGPASSWORD_FILE:-/dev/null}") pg_dump --format custom --file "$name.part" || return
    mv "$name.part" "$name"
    echo "dumped $name"
    find "$BACKUP_FOLDER" -name 'zik-*.dump' -mtime "+${BACKUP_KEEP_DAYS:-14}" -exec rm -f {} +
    find "$BACKUP_FOLDER" -name 'zik-*.dump.part' -mmin +1440 -exec rm -f {} +
}

[ "${1:-}" = --every ] || { dump; exit; }
# `sleep` in the background, because a shell handles SIGTERM only between commands.
trap 'exit 0' TERM INT
while true; do
    if dump; then pause=$2; else pause=60; fi
    sleep "$pause" &
    wait $!
done
