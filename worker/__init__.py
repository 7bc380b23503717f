"""zik records what people listen to."""
