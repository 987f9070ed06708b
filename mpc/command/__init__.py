"""The commands: plan, run, take part, deal; the processes they start and what they print."""
