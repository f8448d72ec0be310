"""A fleet: several servers of one model, asked as one."""
