"""A local server with the public REST APIs of Coinbase, both Advanced Trade and Exchange, and faults on request."""
