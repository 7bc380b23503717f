"""Serve each protocol: from a request to its answer. A handler knows no other."""
