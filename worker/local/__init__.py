"""Run zik on one machine with nothing installed: an embedded Valkey, a worker with beat, for `zik demo` and `zik up`.

Import from the modules: every process here starts under `python -m worker.local.keeper`, which must start quickly.
"""
