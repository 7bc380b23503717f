"""Read what players send in other services' protocols as zik's events, and write the answers that those players expect.

Import each protocol from its module.
"""
