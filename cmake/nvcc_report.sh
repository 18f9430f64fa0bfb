#!/usr/bin/env bash
# Launches nvcc and keeps what ptxas says of registers and spills beside the object, as OBJECT.ptxas.
# Everything else it says goes to the reader.
set -uo pipefail

object=
previous=
for argument in "$@"; do
  [ "$previous" = -o ] && object=$argument
  previous=$argument
done
[ -n "$object" ] || exec "$@"

"$@" 2>"$object.stderr"
status=$?
grep -E '^ptxas info|bytes stack frame' "$object.stderr" >"$object.ptxas"
grep -Ev '^ptxas info|bytes stack frame' "$object.stderr" >&2
rm -f "$object.stderr"
exit "$status"
