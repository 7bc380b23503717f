"""The only package that speaks Redis: who adds to the stream, who reads it, and who looks at it."""
