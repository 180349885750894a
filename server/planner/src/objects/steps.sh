# What the start scripts of all containers share. A pod starts in steps, the project's clone and the commands, in one order over all of
# its containers: each step leaves a mark on the data volume when it has ended, and what comes after it in another container waits for
# the mark. All names begin with berth_, which no variable of the user's can.
berth_state=/projects/.berth

# All containers of a pod have its name; the next pod has another.
read -r berth_pod < /proc/sys/kernel/hostname
berth_marks=$berth_state/start/${berth_pod:-pod}

# Takes back the marks of this container's own steps: when it starts again in the same pod, they are to be done again. Those of the
# pods before this one are of no use to anybody.
berth_begin() {
    mkdir -p "$berth_marks"
    for berth_other in "$berth_state"/start/*; do
        [ "$berth_other" = "$berth_marks" ] || rm -rf "$berth_other"
    done
    for berth_step in "$@"; do
        rm -f "$berth_marks/$berth_step"
    done
}

berth_ended() {
    : > "$berth_marks/$1"
}

# Waits for the step $1, and says so in the log $2.
berth_after() {
    [ ! -e "$berth_marks/$1" ] || return 0
    echo "waits until '$1' has ended" > "$2"
    while [ ! -e "$berth_marks/$1" ]; do
        sleep 1
    done
}

# Whether the command $1, as $2 says it, has still to run on this data volume.
berth_is_new() {
    [ ! -e "$berth_state/once/$1" ] || [ "$(cat "$berth_state/once/$1")" != "$2" ]
}

berth_is_done() {
    mkdir -p "$berth_state/once"
    printf '%s\n' "$2" > "$berth_state/once/$1"
}
