"""Workloads between processes: parties and a dealer, over TLS, on links of any delay and rate."""
