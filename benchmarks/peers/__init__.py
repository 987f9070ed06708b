"""The same named workloads on other systems, each in an environment of its own; none of them is a dependency."""
