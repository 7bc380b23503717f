#!/bin/sh
# Publish a play over HTTP with curl: ZIK_TOKEN=… sh publish-http.sh. The token goes by a pipe, because `ps` shows arguments.
ms_played=181200
# The song has just ended, and time is when it began: whole seconds, rounded down. BSD's date has -r instead of -d.
began=$(($(date +%s) - (ms_played + 999) / 1000))
began=$(date -u -d "@$began" +%Y-%m-%dT%H:%M:%SZ 2>/dev/null || date -u -r "$began" +%Y-%m-%dT%H:%M:%SZ)
# Every try sends the same event, so a lost answer does not create a second play. curl waits as long as a 503 asks.
printf 'Authorization: Token %s' "$ZIK_TOKEN" |
  curl --silent --show-error --fail --retry 5 --retry-connrefused --max-time 30 \
    -H @- -H 'Content-Type: application/x-ndjson' --data-binary '{"v":1,"type":"play","time":"'"$began"'","user":"ada",'\
'"source":"curl","song":{"title":"Parabola","artist":"Tool"},"ms_played":'"$ms_played"'}' \
    "${ZIK_URL:-http://127.0.0.1:9641}/v1/events"
# 0 means that zik has answered. The answer says for each event whether it is accepted.
