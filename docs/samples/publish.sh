#!/bin/sh
# Publish a play with redis-cli or valkey-cli. -x reads the last argument from standard input, which needs no quoting.
printf '%s' '{"v":1,"type":"play","time":"'"$(date -u +%Y-%m-%dT%H:%M:%SZ)"'","user":"ada","source":"redis-cli",
 "song":{"title":"Parabola","artist":"Tool"},"ms_played":181200}' |
  redis-cli -u "${REDIS_URL:-redis://127.0.0.1:6379/0}" -x XADD 'zik:{events}' '*' event
