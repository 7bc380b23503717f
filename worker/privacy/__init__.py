"""A person's rights: everything known of them, exported or erased."""
