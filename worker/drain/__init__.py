"""From the stream to rows: read, decode, record, commit, acknowledge."""
