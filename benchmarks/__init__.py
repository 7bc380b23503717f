"""How fast zik is, measured beside other ways to do the same, in one run on one machine.

Run as `uv run python -m benchmarks`; nothing here runs under pytest, where a speed would be a matter of luck.
"""
