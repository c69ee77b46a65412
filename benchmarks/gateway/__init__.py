"""The gateway alone: requests per second and CPU per request against direct, Envoy and nginx."""
