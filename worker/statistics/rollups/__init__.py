"""The write side: find what is stale, and compute its rollups from the plays. Import from the modules."""
