# Your own examples, as CSV: make model DATA=data.csv. Empty: the starter's.
#{% include "makefile/data/text.mk" %}#
