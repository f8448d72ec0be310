"""What pages are made of: addresses, cookies, excerpts, figures of runs, the edit queue, live rows."""
