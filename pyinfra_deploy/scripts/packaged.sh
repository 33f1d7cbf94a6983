#!/bin/sh
# packaged.sh PATH...: prints the paths that belong to a package.
for file; do
    if dpkg-query -S "$file" >/dev/null 2>&1 || rpm -qf "$file" >/dev/null 2>&1; then
        echo "$file"
    fi
done
