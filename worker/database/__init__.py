"""How the database is opened, who commits, what its errors mean, and one SQL text for two dialects."""
