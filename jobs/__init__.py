"""Everything that passes through Redis: the keys, the messages, and both ends of the queue."""
