"""HTTP in front of the queue: it decodes pictures, but never touches a network."""
