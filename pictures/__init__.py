"""From an upload's bytes to pixels."""
