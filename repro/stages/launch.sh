#!/bin/sh
# Runs one stage with the Python that has this project's packages, whether or not an environment is
# activated: REPRO_PYTHON (set by the `repro` command), the active environment, .venv, then PATH.
# Usage, from the root of the checkout: sh repro/stages/launch.sh train demo-lightgcn-base
stage=$1
shift
if [ -n "${REPRO_PYTHON:-}" ]; then
    python=$REPRO_PYTHON
elif [ -n "${VIRTUAL_ENV:-}" ] && [ -x "$VIRTUAL_ENV/bin/python" ]; then
    python=$VIRTUAL_ENV/bin/python
elif [ -x .venv/bin/python ]; then
    python=.venv/bin/python
else
    python=python
fi
exec "$python" -m "repro.stages.$stage" "$@"
