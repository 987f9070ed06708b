"""What things cost: ledgers and measurements of the protocols. Nothing here is needed to run a computation."""
