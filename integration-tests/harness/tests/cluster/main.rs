//! The local Kubernetes itself: what it leaves behind, what it keeps, and how it is broken on purpose.

mod end;
mod faults;
mod innocent;
mod pods;
mod up;

use std::path::{Path, PathBuf};

use berth_harness::process::is_root;
use berth_harness::{Cluster, ClusterConfig, Node};

/// A directory that is removed with the test, unless the cluster does it.
fn directory() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("berth-test-").tempdir().expect("a directory")
}

fn config(name: &str, dir: PathBuf) -> ClusterConfig {
    ClusterConfig { name: name.to_owned(), dir, keep_data: false, detached: false, node: Node::Full }
}

/// `None`, and a word about it, where a node cannot run; CI must not take that way out.
async fn cluster(name: &str, dir: &Path) -> Option<Cluster> {
    if !is_root() {
        no_node();
        return None;
    }
    Some(Cluster::start(config(name, dir.join("cluster"))).await.expect("the cluster starts"))
}

fn no_node() {
    assert!(std::env::var_os("CI").is_none(), "a node needs root, and CI skips no test");
    say("skipped: it needs a Kubernetes node, which needs root; run `sudo make test`");
}

/// What a cluster may leave: processes, mounts, its interface and cgroups. Empty when it left nothing.
fn traces(dir: &Path, interface: &str) -> Vec<String> {
    let dir = dir.to_string_lossy().into_owned();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let command = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        if command.contains(&dir) {
            found.push(format!("process {}", command.replace('\0', " ")));
        }
    }
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("mounts");
    found.extend(mounts.lines().filter(|line| line.contains(&dir)).map(|line| format!("mount {line}")));
    let interfaces = Path::new("/sys/class/net").join(interface);
    found.extend(interfaces.exists().then(|| interfaces.display().to_string()));
    // In each hierarchy of version 1, and at the top with version 2; a group's name ends with a drawn id.
    let tops = std::fs::read_dir("/sys/fs/cgroup").expect("cgroups").flatten().map(|entry| entry.path());
    for top in tops.chain(["/sys/fs/cgroup".into()]).filter(|top| top.is_dir()) {
        let groups = std::fs::read_dir(&top).into_iter().flatten().flatten();
        let prefix = format!("{interface}-");
        let ours = groups.filter(|group| group.file_name().to_string_lossy().starts_with(&prefix));
        found.extend(ours.map(|group| group.path().display().to_string()));
    }
    found
}

/// The host's interface of a cluster: 10.88.<n>.1 is on berth<n>.
fn interface(cluster: &Cluster) -> String {
    let address = cluster.host_address().to_string();
    format!("berth{}", address.split('.').nth(2).expect("an IPv4 address"))
}

#[allow(clippy::print_stderr, reason = "a skipped test has to say so where a person looks")]
fn say(message: &str) {
    eprintln!("{message}");
}
