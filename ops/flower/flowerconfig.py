"""Flower for compose.yaml: the password comes from a file, so that it is in no environment and no process list."""

import os
from pathlib import Path

_password = Path(os.environ.get("ZIK_SECRETS_DIR", "/run/secrets"), "flower_password").read_text().strip()
basic_auth = [f"admin:{_password}"]
address = "0.0.0.0"  # noqa: S104 -- compose.yaml publishes it on 127.0.0.1
port = 5555
