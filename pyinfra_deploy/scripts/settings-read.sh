#!/bin/sh
# settings-read.sh FILE: prints the file; nothing where it is not there.
cat "$1" 2>/dev/null || :
