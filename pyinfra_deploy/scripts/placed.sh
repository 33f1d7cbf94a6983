#!/bin/sh
# placed.sh PATH...: prints PATH|MODE OWNER DIGEST for each existing file, and group|consul if
# Consul's group exists.
for file; do
    [ -f "$file" ] || continue
    digest=$(sha256sum <"$file" | cut -c 1-64)
    printf '%s|%s %s\n' "$file" "$(stat -c '%a %U:%G' "$file")" "$digest"
done
if getent group consul >/dev/null; then
    echo 'group|consul'
fi
