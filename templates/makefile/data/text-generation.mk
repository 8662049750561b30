# Your own examples, as JSON Lines: make model DATA=data.jsonl. Empty: the starter's.
#{% include "makefile/data/text.mk" %}#
