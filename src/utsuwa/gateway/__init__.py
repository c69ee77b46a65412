"""The data plane: one process, one hop from client to pod. Knows the link and nothing of control."""
