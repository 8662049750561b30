"""What keeps the repository fresh. The service itself imports nothing from here."""
