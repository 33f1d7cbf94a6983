#!/bin/sh
# Behind agent.sh. lock-session.sh renew|destroy SESSION: prints the code of the answer.
ask PUT "session/$1/$2" | tail -n 1
