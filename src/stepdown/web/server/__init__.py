"""The server: a bound address, its connections, and how bytes leave them."""
