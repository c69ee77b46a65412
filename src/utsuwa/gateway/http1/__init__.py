"""HTTP/1.1: heads, framing and the two connections of a hop."""
