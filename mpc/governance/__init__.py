"""Why a steward says yes: what is approved, by whom, under which rules, and what happened; files and signatures only."""
