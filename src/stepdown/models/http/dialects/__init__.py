"""What endpoints are asked and answer, one file for each dialect."""
