"""HTTP/2: connections of streams on both sides of the hop, and what lies between it and HTTP/1.1."""
