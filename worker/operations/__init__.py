"""What an operator sees and does: health, status, metrics, dead letters and the doctor.

Hands out no names: a probe must not import the database. Import from `health`, `status`, `metrics`, `dead_letters` or
`doctor`.
"""
