#!/bin/sh
# applied.sh MARK PATH...: prints "asked", so that no answer is not taken for a good one, and then every path that is
# newer than the mark, or the mark where it is not there.
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
