#!/bin/sh
# Make every run of this package again, with its tables and figures, in the folder results/.
# Another interpreter: PYTHON=/path/to/python sh run_all.sh
set -eu
cd "$$(dirname "$$0")"
if [ -e results ]; then
    echo "results/ is there already: move it away first." >&2
    exit 2
fi
PYTHONPATH="$$PWD/software$${PYTHONPATH:+:$$PYTHONPATH}"
export PYTHONPATH
PYTHON="$${PYTHON:-python3}"

$commands
