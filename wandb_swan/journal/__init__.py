"""What both processes stand on: a run's journal, its notes and status, who is alive, one mirror at a time."""
