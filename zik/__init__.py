"""What a program imports to publish what people listen to: `from zik import Client`.

The distribution `zik-client` has this package alone; `zik` has it beside `worker`, which runs the rest.
"""

from worker import __version__
from worker.client import Appended, AsyncClient, Client, Counters, Transport

__all__ = ["Appended", "AsyncClient", "Client", "Counters", "Transport", "__version__"]
