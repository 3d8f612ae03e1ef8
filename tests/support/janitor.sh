#!/bin/sh
# Stops the servers of a run and removes its folder, as soon as the program that made them is gone:
# then, however it ended, standard input reaches its end. With "now", at once.
#   janitor.sh <folder> [now]
# A server leaves its process id in <folder>/pids/<name>.
run=$1
trap '' INT TERM HUP
if [ "${2:-}" != now ]; then
    cat >/dev/null
    [ ! -e "$run/detached" ] || exit 0
fi

pids=$(cat "$run"/pids/* 2>/dev/null)
for pid in $pids; do
    # QUIT is Postgres's immediate shutdown, and tells a JVM nothing; a stopped process hears nothing.
    kill -CONT "$pid"
    kill -QUIT "$pid"
    case $(cat "/proc/$pid/comm" 2>/dev/null) in
        java) kill -KILL "$pid" ;;
    esac
done 2>/dev/null
for pid in $pids; do
    tries=0
    # A zombie, whose parent is a program that lives on, has ended too.
    while [ -d "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status"; do
        tries=$((tries + 1))
        [ $tries -eq 200 ] && kill -KILL "$pid"
        [ $tries -ge 250 ] && break
        sleep 0.05
    done
done 2>/dev/null
rm -rf "$run"
