#!/bin/sh
# Puts /berth-tools together: the programs with every library they need, bound to the place where they will be.
set -eu

out=/berth-tools
# Where the volume has it: a program's loader is found by its absolute path alone.
place=/projects/.berth/tools/current

mkdir -p $out/lib $out/libexec/git-core $out/path $out/applets $out/licenses
mv /build/node/bin/node $out/libexec/node
strip --strip-unneeded $out/libexec/node
mv /build/editor $out/editor
pty=$out/editor/lib/vscode/node_modules/node-pty/lib
grep --quiet '^exports.UnixTerminal = UnixTerminal;' $pty/unixTerminal.js || { echo "node-pty is not what it was" >&2; exit 1; }
mv $pty/unixTerminal.js $pty/unixTerminal.original.js
cp /build/terminals.cjs $pty/unixTerminal.js
cp /bin/busybox $out/bin/busybox
ln -s busybox $out/bin/sh
# For the start-up scripts in an image that has a shell and nothing else.
for applet in $($out/bin/busybox --list); do
    ln -s ../bin/busybox "$out/applets/$applet"
done
cp /usr/sbin/sshd /usr/bin/ssh /usr/bin/ssh-keygen /usr/lib/openssh/sftp-server /usr/bin/git $out/libexec/
# git's own commands are inside git; these are not. Without Perl and Python the rest has no use.
for program in git-remote-http git-http-fetch git-sh-setup git-sh-i18n git-sh-i18n--envsubst git-submodule; do
    cp "/usr/lib/git-core/$program" $out/libexec/git-core/
done
ln -s git-remote-http $out/libexec/git-core/git-remote-https
cp -R /usr/share/git-core/templates $out/templates
rm -f $out/templates/hooks/*
cp /etc/ssl/certs/ca-certificates.crt $out/certificates.crt
# In a workspace whose image has no such program, this is what its name means.
for program in code-server git ssh ssh-keygen; do
    ln -s "../bin/$program" $out/path/
done

loader=$(readelf --program-headers $out/libexec/node | sed -n 's/.*interpreter: \(.*\)]/\1/p')
binaries() {
    find $out/libexec $out/editor -type f \( -perm -u+x -o -name '*.node' -o -name '*.so*' \) | while read -r file; do
        # ELF's first four bytes.
        if [ "$(head -c 4 "$file" | od -An -tx1)" = ' 7f 45 4c 46' ]; then echo "$file"; fi
    done
}
preload=$(ldconfig -p | sed -n 's/.*libnss_wrapper.so.*=> //p' | head -n 1)
{ binaries; echo "$preload"; } > /build/binaries
# What is linked statically, or wants a library that nothing here uses, says so and needs none.
while read -r file; do
    { ldd "$file" 2> /dev/null || :; } | awk '$3 ~ /^\// { print $3 }'
done < /build/binaries | sort -u | while read -r library; do
    cp -L "$library" $out/lib/
done
cp -L "$loader" "$preload" $out/lib/

while read -r file; do
    readelf --program-headers "$file" 2> /dev/null | grep --quiet 'interpreter: ' || continue
    # RPATH, not RUNPATH: it also holds for what the libraries and Node's modules need. It is not inherited by children, as
    # LD_LIBRARY_PATH would be: those are the image's own programs, with the image's own libraries.
    patchelf --set-interpreter "$place/lib/$(basename "$loader")" --force-rpath --set-rpath "$place/lib" "$file"
done < /build/binaries
strip --strip-unneeded $out/lib/*.so* 2> /dev/null || true

for package in busybox-static git libc6 libnss-wrapper openssh-server; do
    cp "/usr/share/doc/$package/copyright" "$out/licenses/$package"
done

chmod 0755 $out/bin/*
# Whoever the volume belongs to later: group 0 may do what the owner may.
chmod -R g=u $out
# Equal content has an equal version, so that a workspace copies it once.
(cd $out && find . -type f -o -type l | LC_ALL=C sort | tar --create --no-recursion --files-from - \
    --mtime=@0 --owner=0 --group=0 --numeric-owner --sort=name | sha256sum | cut -c 1-16) > /build/version
mv /build/version $out/VERSION
