"""Statistics: rollups that are computed from the history, never added to, and the questions they answer."""
