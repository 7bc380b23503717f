#!/bin/sh
# Publish a play with redis-cli or valkey-cli. -x reads the last argument from standard input, which needs no quoting.
ms_played=181200
# The song has just ended, and time is when it began: whole seconds, rounded down. BSD's date has -r instead of -d.
began=$(($(date +%s) - (ms_played + 999) / 1000))
began=$(date -u -d "@$began" +%Y-%m-%dT%H:%M:%SZ 2>/dev/null || date -u -r "$began" +%Y-%m-%dT%H:%M:%SZ)
printf '%s' '{"v":1,"type":"play","time":"'"$began"'","user":"ada","source":"redis-cli",
 "song":{"title":"Parabola","artist":"Tool"},"ms_played":'"$ms_played"'}' |
  redis-cli -u "${REDIS_URL:-redis://127.0.0.1:6379/0}" -x XADD 'zik:{events}' '*' event
