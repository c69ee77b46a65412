"""Domain-free helpers: clock, tasks, queues, framing, units. Knows nothing of Utsuwa's objects."""
