"""Listening histories of other services, as downloaded, become events."""
