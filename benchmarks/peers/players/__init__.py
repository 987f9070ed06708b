"""Scripts for the peers' own Pythons, which know nothing of this library: each runs one workload and writes what it found."""
