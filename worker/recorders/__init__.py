"""Set-based writes, one file per kind of row. They take a connection, never commit, and do not import each other."""
