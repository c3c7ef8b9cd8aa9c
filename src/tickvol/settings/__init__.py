"""Building blocks of settings: field types, and sections that several systems read."""
