#!/bin/sh
# settings-read.sh FILE: prints the file, or nothing if it is missing.
cat "$1" 2>/dev/null || :
