#!/usr/bin/env bash
# Makes the virtual environment that tools/ and Benchmarks/ run in, or brings it up to date. Quick when nothing is missing.
#
#     tools/install-python.sh [FOLDER]      (default .venv)
set -euo pipefail
cd "$(dirname "$0")/.."
venv="${1:-.venv}"
torch=2.13.0
stamp="$venv/.installed"
wanted="$torch $(sha256sum tools/requirements.txt | cut -d' ' -f1)"

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then exit 0; fi
echo "Installing the Python tools into $venv (about two minutes)…"
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
# The processor-only build is a tenth of the other's size, but only some indexes hold it.
"$venv/bin/pip" install --quiet "torch==$torch+cpu" || "$venv/bin/pip" install --quiet "torch==$torch"
"$venv/bin/pip" install --quiet -r tools/requirements.txt
printf '%s\n' "$wanted" >"$stamp"
