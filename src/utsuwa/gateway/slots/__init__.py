"""Several gateways behind the same sockets: who may use which slot of a hard limit."""
