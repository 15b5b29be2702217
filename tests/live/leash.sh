#!/bin/sh
# Runs a program until its own input ends. So the program ends with whoever started it, however that one ends.
exec 3<&0
"$@" </dev/null 3<&- &
program=$!
{ while read -r _ <&3; do :; done; kill -KILL "$program"; } 2>/dev/null &
leash=$!
wait "$program"
status=$?
kill "$leash" 2>/dev/null
exit "$status"
