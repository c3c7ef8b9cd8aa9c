"""Building blocks of settings: kinds of fields, and sections that several systems read."""
