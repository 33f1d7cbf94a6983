#!/bin/sh
# Behind agent.sh. Gives the key, the second line of standard input, to every member and has all send with it.
# Also a second time: a ring takes a key that it has.
read -r key || :
# shellcheck disable=SC2034 # ask reads it
PATIENCE=60
for method in POST PUT; do
    said=$(ask "$method" operator/keyring "{\"Key\": \"$key\"}")
    case $said in
        *200) ;;
        *)
            refuse "$said"
            exit 0
            ;;
    esac
done
echo changed
