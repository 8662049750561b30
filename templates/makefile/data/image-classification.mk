# Your own examples, one folder per label: make model DATA=data. Empty: the starter's.
DATA ?=
SOURCE = $(if $(DATA),--data "$(DATA)")
