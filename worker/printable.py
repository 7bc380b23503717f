def printable(text: str) -> str:
    """The text on one line, with what would steer a terminal or split a log line written as an escape."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)
