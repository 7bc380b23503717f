"""How the database is opened, who commits, what its errors mean, and one SQL text for two dialects.

Bringing the schema up needs Alembic, so import it from `worker.database.schema`.
"""

from worker.database.engine import open_engine, opened_engine, snapshot, transaction, without_statement_timeout
from worker.database.statement import Statement

__all__ = ["Statement", "open_engine", "opened_engine", "snapshot", "transaction", "without_statement_timeout"]
