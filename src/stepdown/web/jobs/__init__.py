"""Work that a page starts: runs in processes of their own, and problems solved again."""
