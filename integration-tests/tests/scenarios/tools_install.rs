//! What puts the tools into a volume (`images/tools/bin/install`), where the volume has little room: by itself, in a file system of so
//! many bytes.

use std::process::Output;

use anyhow::{Context as _, ensure};
use berth_harness::command::command;
use berth_harness::paths;

/// Mounts 40 MiB at `$1/volume`, and then installs tools of 20 and of 30 MiB there.
const SCRIPT: &str = r#"
set -eu
cd "$1"
mkdir -p from/bin volume
mount -t tmpfs -o size=40m none volume
export BERTH_TOOLS=$1/volume/.berth/tools
version() { head -c "$2" /dev/zero > from/blob; echo "$1" > from/VERSION; }
install() { sh ./install; code=$?; echo "$code $(readlink "$BERTH_TOOLS/current") $(ls "$BERTH_TOOLS" | wc -l)"; }
on_the_disk() { rm "$BERTH_TOOLS/.unsafe"; }
set +e
version v1 20000000; install; on_the_disk
version v2 20000000; install; on_the_disk
head -c 15000000 /dev/zero > volume/user
version v3 30000000; install
: > "$BERTH_TOOLS/.unsafe"; install
wc -c < volume/user
"#;

#[tokio::test]
async fn tools_make_room_for_themselves_and_never_take_away_what_works() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let at = directory.path().display().to_string();
    let script = std::fs::read_to_string(paths::repository().join("images/tools/bin/install"))?;
    let here =
        script.replace("/bin/busybox", "/usr/bin/busybox").replace("/berth-tools", &format!("{at}/from"));
    ensure!(here != script, "the script has other paths");
    std::fs::write(directory.path().join("install"), here)?;
    let mut shell = command("unshare");
    shell.args(["--mount", "sh", "-c", SCRIPT, "sh", &at]);
    let Output { stdout, stderr, status } = shell.output().await.context("unshare")?;
    let (printed, told) = (String::from_utf8(stdout)?, String::from_utf8(stderr)?);
    ensure!(status.success(), "{printed}{told}");
    let expected = [
        "version v1 was copied",
        "0 v1 2",
        "the volume has 20 MiB left: the tools of before are removed first",
        "version v2 was copied",
        "0 v2 2",
        "version v3 was not copied: the volume has 6 MiB left, and it takes 31 MiB; version v2 stays",
        "0 v2 2",
        // Of these it is not known whether they are whole.
        "the volume has 6 MiB left: the tools of before are removed first",
        "the volume has no room for the tools: it has 25 MiB left, and they take 31 MiB. Make it larger: berth resize NAME --disk SIZE",
        "1  0",
        "15000000",
    ];
    ensure!(printed.lines().eq(expected), "{printed}{told}");
    Ok(())
}
