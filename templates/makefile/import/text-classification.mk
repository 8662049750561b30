#{% include "makefile/import/text.mk" %}#
