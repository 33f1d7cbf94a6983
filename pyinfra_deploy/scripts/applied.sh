#!/bin/sh
# applied.sh MARK PATH...: prints "asked", which distinguishes an answer from silence, and then
# every path that is newer than the mark, or the mark if it is missing.
echo asked
mark=$1
shift
if [ ! -e "$mark" ]; then
    echo "$mark"
    exit 0
fi
for file; do
    find "$file" -newer "$mark" 2>/dev/null
done
exit 0
