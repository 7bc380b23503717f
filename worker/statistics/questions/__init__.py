"""The read side: one question a file, answered from rollups and, for days that wait, from the plays."""
