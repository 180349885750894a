#!/bin/sh
# git's credential helper in a workspace: answers with what the control plane has put into the host's file, and renews there.
# It needs nothing but a shell. What git wants stored or erased it leaves alone.
[ "$1" = get ] || exit 0
protocol='' host=''
while IFS='=' read -r key value && [ -n "$key" ]; do
    case $key in
        protocol) protocol=$value ;;
        host) host=$value ;;
    esac
done
case $protocol in http | https) ;; *) exit 0 ;; esac
# Nothing that could name another file.
case $host in '' | *[!a-z0-9.:-]*) exit 0 ;; esac
case $host in *:*) host=${host%%:*}_${host#*:} ;; esac
file=${BERTH_GIT_DIRECTORY:-/.berth/git}/$protocol-$host
[ -r "$file" ] || exit 0
while IFS= read -r line; do
    printf '%s\n' "$line"
done < "$file"
