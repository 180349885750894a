# Clones the project once: first what there is to see, shallow, then the rest while the user works already. The caller sets
# url, branch, commit, directory, state and tools, and keeps the output as a log. A failure is told there and tried again at the next
# start of the workspace; nothing else depends on it.
say() {
    printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*"
}

# A whole answer or an error: nobody is there to type a password. Redirects cannot lead to another kind of transport.
export GIT_TERMINAL_PROMPT=0 GIT_ALLOW_PROTOCOL=https:http:ssh
ssh=ssh
# OpenSSH wants a name for the user, which the image may not have; that of the tools brings one.
[ ! -x "$tools/path/ssh" ] || ssh=$tools/path/ssh
export GIT_SSH_COMMAND="$ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new"

# Fetches into a directory that nobody sees: an interrupted clone leaves nothing half done in the project.
fetch() {
    rm -rf "$state/clone"
    git clone --no-checkout "$@" --progress ${branch:+--branch "$branch"} -- "$url" "$state/clone" || return 1
    # A commit has no name that clone could take.
    [ -z "$commit" ] || {
        git -C "$state/clone" fetch "$@" --progress origin "$commit" &&
            git -C "$state/clone" update-ref --no-deref HEAD FETCH_HEAD
    } || return 1
    # The shallow clone knows one branch alone, and one of an empty repository none.
    git -C "$state/clone" config --replace-all remote.origin.fetch '+refs/heads/*:refs/remotes/origin/*'
}

files() {
    if [ ! -e "$state/fetched" ] || [ ! -e "$directory/.git" ]; then
        # It was empty once: what commands have left there since is no reason to leave the project out.
        [ -n "$(ls -A "$directory")" ] || : > "$state/prepared"
        if [ -e "$directory/.git" ] || [ ! -e "$state/prepared" ]; then
            say "$directory is not empty: it is left as it is"
            : > "$state/files"
            : > "$state/history"
            exit 0
        fi
        for pause in 2 8 0; do
            # A server of plain files gives all or nothing.
            depth=--depth=1
            [ "$pause" -gt 0 ] || depth=
            fetch $depth && break
            say "the clone failed"
            [ "$pause" -gt 0 ] || return 1
            sleep "$pause"
        done
        : > "$state/fetched"
        mv "$state/clone/.git" "$directory/.git" || return 1
        rm -rf "$state/clone"
    fi
    if ! git -C "$directory" rev-parse --verify --quiet HEAD > /dev/null; then
        # A repository without a commit, or one whose first branch was renamed.
        branches=$(git -C "$directory" ls-remote --heads origin | cut -f 2 | head -n 5) || return 1
        if [ -z "$branches" ]; then
            say "the repository is empty: there are no files yet"
        else
            say "the repository's HEAD names a branch that is not there: no files are checked out; there are:" $branches
        fi
        return 0
    fi
    # Files that are there already stay as they are: they may be the user's.
    git -C "$directory" reset --quiet --mixed && git -C "$directory" checkout-index --all &&
        git -C "$directory" update-index -q --refresh || :
    say "the project's files are in $directory"
}

history() {
    unshallow=--unshallow
    [ -e "$directory/.git/shallow" ] || unshallow=
    git -C "$directory" fetch $unshallow --tags --progress origin
}

mkdir -p "$state" "$directory"
if ! command -v git > /dev/null; then
    say "git was not found, neither in the image nor among the tools: the project is not cloned"
    exit 1
fi
if [ ! -e "$state/files" ]; then
    say "cloning $url${branch:+, branch or tag $branch,}${commit:+, commit $commit,} into $directory"
    files || { say "the project could not be cloned; it is tried again at the next start"; exit 1; }
    : > "$state/files"
fi
[ -e "$state/history" ] || {
    if history; then
        say "the project's history is complete"
        : > "$state/history"
    else
        say "the project's history could not be fetched; it is tried again at the next start"
    fi
} &
