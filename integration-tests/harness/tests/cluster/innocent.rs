//! What is not the cluster's own is left alone, however much it looks like it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use berth_harness::process::{ProcessId, is_root};
use berth_harness::{Cluster, ClusterConfig, Node, tree};

use crate::{cluster, config, directory};

/// A process that is the first of a PID namespace of its own, as every container's is.
struct Innocent {
    unshare: Child,
    first: ProcessId,
}

impl Innocent {
    #[expect(clippy::zombie_processes, reason = "it is waited for when it is dropped")]
    async fn start() -> Self {
        let mut command = Command::new("unshare");
        if !is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command
            .args(["--pid", "--fork", "--mount-proc", "--kill-child", "sleep", "600"])
            .stdin(Stdio::null());
        let unshare = command.spawn().expect("unshare starts");
        let handle = ProcessId::of(unshare.id()).expect("it runs");
        for _ in 0..500 {
            if let Some(first) =
                handle.children().into_iter().find(|child| child.name().as_deref() == Some("sleep"))
            {
                return Self { unshare, first };
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no process in a PID namespace of its own");
    }
}

impl Drop for Innocent {
    fn drop(&mut self) {
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
    }
}

#[tokio::test]
async fn a_container_of_others_outlives_a_control_plane_that_stops() {
    let innocent = Innocent::start().await;
    let dir = directory();
    let config = ClusterConfig { node: Node::None, ..config("beside", dir.path().join("cluster")) };
    let cluster = Cluster::start(config).await.expect("it starts");
    cluster.stop().await.expect("it stops");
    assert!(innocent.first.is_alive(), "the first process of another PID namespace was told to end");
}

/// Things that others have under names like a cluster's. Removed with this.
struct Things {
    interface: &'static str,
    groups: Vec<PathBuf>,
    mount: PathBuf,
}

impl Things {
    /// The last slot: the first free one is what a cluster takes.
    const NAME: &str = "berth63";

    fn make(below: &Path) -> Self {
        let ip = |arguments: &str| {
            Command::new("ip").args(arguments.split(' ')).status().expect("ip starts").success()
        };
        assert!(ip(&format!("link add {} type veth peer name innocent63", Self::NAME)), "an interface");
        let tops = fs::read_dir("/sys/fs/cgroup").expect("cgroups").flatten().map(|entry| entry.path());
        // With version 2 the top is the only hierarchy, and its folders are groups.
        let tops: Vec<PathBuf> = if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            vec!["/sys/fs/cgroup".into()]
        } else {
            tops.filter(|path| path.is_dir() && !path.is_symlink()).collect()
        };
        let groups: Vec<_> = tops.iter().map(|top| top.join(Self::NAME)).collect();
        let groups = groups.into_iter().filter(|group| fs::create_dir(group).is_ok()).collect();
        let mount = below.join("shelf");
        fs::create_dir(&mount).expect("made");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "tmpfs"]).arg(&mount).status();
        assert!(mounted.expect("mount starts").success());
        fs::write(mount.join("kept"), "").expect("written");
        Self { interface: Self::NAME, groups, mount }
    }

    fn missing(&self) -> Vec<PathBuf> {
        let interface = Path::new("/sys/class/net").join(self.interface);
        let all = self.groups.iter().cloned().chain([interface, self.mount.join("kept")]);
        all.filter(|path| !path.exists()).collect()
    }
}

impl Drop for Things {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["link", "delete", self.interface]).status();
        let _ = Command::new("umount").arg(&self.mount).status();
        for group in &self.groups {
            let _ = fs::remove_dir(group);
        }
    }
}

#[tokio::test]
async fn containers_mounts_interfaces_and_cgroups_of_others_outlive_a_node() {
    let dir = directory();
    if !is_root() {
        return crate::no_node();
    }
    let others = directory();
    let (innocent, things) = (Innocent::start().await, Things::make(others.path()));
    let one = cluster("one", dir.path()).await.expect("root has a node");
    one.stop().await.expect("it stops");
    let dropped = cluster("two", dir.path()).await.expect("root has a node");
    drop(dropped);
    assert!(innocent.first.is_alive(), "a process of others was told to end");
    assert_eq!(things.missing(), Vec::<PathBuf>::new());

    let refused = tree::remove(others.path()).expect_err("something is mounted in it").to_string();
    assert!(refused.contains("shelf"), "{refused}");
    assert_eq!(things.missing(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_stopped_cluster_keeps_its_addresses_while_another_starts() {
    if !is_root() {
        return crate::no_node();
    }
    let (dir, other) = (directory(), directory());
    let kept = ClusterConfig { keep_data: true, detached: true, ..config("up", dir.path().join("cluster")) };
    let first = Cluster::start(kept.clone()).await.expect("it starts");
    let address = first.node_address();
    first.stop().await.expect("it stops");
    let test = cluster("test", other.path()).await.expect("root has a node");
    assert_ne!(test.node_address(), address, "a test took what make up has");
    let again = Cluster::start(kept).await.expect("it starts again");
    assert_eq!(again.node_address(), address);
    again.stop().await.expect("it stops");
    Cluster::forget_below(dir.path()).expect("its addresses are given back");
}
