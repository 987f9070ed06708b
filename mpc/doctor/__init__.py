"""A rehearsal of a session's connections: what works between these machines, and who must change what."""
