"""The read side: one question per file, answered from rollups and, for days that wait for a sweep, from plays.

Import questions from `worker.statistics`.
"""
