"""Serve HTTP to the players that exist: an event is answered with success only when Redis holds it."""
