"""From data to a model version. What the owner has to put right is an ``OwnerError``."""
