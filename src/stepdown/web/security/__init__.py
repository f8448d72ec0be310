"""Who may ask, from where and how much, and no key in what is shown."""
