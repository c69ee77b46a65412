"""The port through which everything sees a cluster, its embedded adapter, and informers."""
