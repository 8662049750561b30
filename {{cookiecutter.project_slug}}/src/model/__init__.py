"""Your model: what goes in, what comes out, the network and its data. Change what you like."""
