#!/bin/sh
# Prints the folder of a Python's environment: .venv for .venv's own version, or where there is no
# .venv yet, for the version that it would get; .venv-3.12 and so on for another.
# Usage: environment.sh PYTHON
set -eu
version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }
named=$(sh requirements/python.sh "$1")
named=$(version "$named")
default=.venv/bin/python
[ -x $default ] || default=$(sh requirements/python.sh 2>/dev/null) || default=$1
if [ "$named" = "$(version "$default")" ]; then echo .venv; else echo ".venv-$named"; fi
