#!/bin/sh
# Make every secret of compose.yaml, once: random passwords, the URLs that hold them, and Valkey's users.
#   ops/make-secrets.sh [FOLDER]            default: secrets/ beside compose.yaml; existing files are kept
set -eu
cd "$(dirname "$0")/.."
folder=${1:-secrets}

# The folder is closed, its files are open: each is mounted alone into a container that does not run as root.
mkdir -p "$folder"
chmod 700 "$folder"
umask 022

secret() {
    [ -s "$folder/$1" ] || head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$folder/$1"
    cat "$folder/$1"
}
keep() {
    [ -s "$folder/$1" ] || printf '%s\n' "$2" >"$folder/$1"
}

publisher=$(secret publisher_password)
worker=$(secret redis_worker_password)
control=$(secret redis_control_password)
door=$(secret redis_door_password)
exporter=$(secret exporter_password)
owner_db=$(secret zik_owner_password)
worker_db=$(secret zik_worker_password)
door_db=$(secret zik_door_password)
secret postgres_password >/dev/null
secret grafana_password >/dev/null
secret flower_password >/dev/null

keep publisher_url "redis://publisher:$publisher@127.0.0.1:6379/0"
keep redis_url "redis://worker:$worker@valkey:6379/0"
keep door_redis_url "redis://door:$door@valkey:6379/0"
keep celery_broker_url "redis://control:$control@valkey:6379/0"
keep database_url "postgresql://zik_worker:$worker_db@postgres:5432/zik"
keep door_database_url "postgresql://zik_door:$door_db@postgres:5432/zik"
keep owner_database_url "postgresql://zik_owner:$owner_db@postgres:5432/zik"
keep exporter_passwords "{\"redis://exporter@valkey:6379\": \"$exporter\"}"
keep valkey_users "$(sed "s/change-me-publisher/$publisher/; s/change-me-worker/$worker/; s/change-me-control/$control/; s/change-me-door/$door/" docs/redis.acl)
user probe on nopass resetchannels -@all +ping
user exporter on >$exporter resetchannels -@all %R~zik:{events} +ping +info +client|setname +config|get +latency|latest +latency|histogram +slowlog|get +slowlog|len +type +xinfo +memory|usage"

echo "made in $folder; publisher_url is for the players of this machine"
