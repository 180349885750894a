//! Nothing is left, however a cluster ends.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::{cluster, directory, interface, traces};

#[tokio::test]
async fn two_run_side_by_side_and_neither_leaves_anything() {
    let (one_dir, two_dir) = (directory(), directory());
    let Some(one) = cluster("one", one_dir.path()).await else { return };
    let Some(two) = cluster("two", two_dir.path()).await else { return };
    assert_ne!(one.node_address(), two.node_address());
    one.component_pid("kubelet").await.expect("the first goes on");
    let (one_interface, two_interface) = (interface(&one), interface(&two));
    assert!(
        traces(one_dir.path(), &one_interface).len() > 3,
        "the check for traces sees nothing of a living cluster"
    );

    one.stop().await.expect("it stops");
    assert_eq!(traces(one_dir.path(), &one_interface), Vec::<String>::new());
    assert!(!one_dir.path().join("cluster").exists(), "data that was not to be kept");
    two.component_pid("kubelet").await.expect("the second goes on");
    drop(two);
    assert_eq!(traces(two_dir.path(), &two_interface), Vec::<String>::new());
}

/// The process that the next test starts and kills. By itself it does nothing.
#[tokio::test]
async fn holder() {
    let Ok(dir) = std::env::var("BERTH_TEST_DIR") else { return };
    let Some(cluster) = cluster("orphan", Path::new(&dir)).await else { return };
    println!("holds {}", interface(&cluster));
    tokio::time::sleep(Duration::from_secs(600)).await;
}

#[tokio::test]
async fn a_killed_test_process_takes_its_cluster_along() {
    if !berth_harness::process::is_root() {
        return;
    }
    let dir = directory();
    let mut holder = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "end::holder", "--nocapture"])
        .env("BERTH_TEST_DIR", dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the holder starts");
    let output = BufReader::new(holder.stdout.take().expect("its output"));
    let interface = output
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.split_once("holds ").map(|(_, name)| name.to_owned()))
        .expect("the holder's cluster runs");
    holder.kill().expect("it is killed");
    holder.wait().expect("it ended");
    let mut left = Vec::new();
    for _ in 0..300 {
        left = traces(dir.path(), &interface);
        if left.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(left, Vec::<String>::new());
    assert!(!dir.path().join("cluster").exists());
}
