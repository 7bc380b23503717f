"""zik on one bare machine: an embedded Valkey, a worker and beat, for `zik demo` and `zik up`."""
