//! `make up` with another cluster than its own, and what `make down PURGE=1` leaves.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use berth_harness::binaries::Binaries;
use berth_harness::cluster::Cluster;
use berth_harness::process::is_root;
use berth_harness::{images, paths};

use crate::{directory, interface, traces};

/// `berth-dev` as make calls it, with a state and a configuration of its own.
struct Dev<'a> {
    dir: &'a Path,
    kubectl: PathBuf,
}

impl Dev<'_> {
    fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(paths::program("berth-dev").expect("it is built"));
        let path = std::env::var("PATH").expect("a PATH");
        let kubectl = self.kubectl.parent().expect("a directory").display().to_string();
        command.args(arguments).env("PATH", format!("{kubectl}:{path}"));
        command.env("BERTH_STATE_DIR", self.state()).env("XDG_CONFIG_HOME", self.dir.join("config"));
        for other in
            ["BERTH_CONFIG", "CLUSTER", "KUBE_CONTEXT", "AGENT_IMAGE", "WORKSPACE_IMAGE", "KUBECONFIG"]
        {
            command.env_remove(other);
        }
        command
    }
}

fn run(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("berth-dev starts");
    let (out, err) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {status}\n{out}\n{err}");
    out.into_owned()
}

#[tokio::test]
async fn up_uses_the_cluster_of_a_context_and_purging_ends_what_is_kept_below_its_state() {
    if !is_root() {
        return crate::no_node();
    }
    let dir = directory();
    // Postgres runs as nobody below it.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(dir.path(), open).expect("open to others");
    let dev = Dev { dir: dir.path(), kubectl: Binaries::ensure().await.expect("the programs").kubectl() };
    let started = run(&mut dev.command(&["cluster", "start", "second"]));
    let kubeconfig = started.trim().strip_prefix("export KUBECONFIG=").expect("where its kubeconfig is");
    let cluster = Cluster::attach(&dev.state().join("clusters/second")).expect("it runs");
    let image = images::archive(&images::WORKSPACE).await.expect("an image").display().to_string();
    run(&mut dev.command(&["cluster", "import", "second", &image]));

    let up = || {
        let mut up = dev.command(&["up"]);
        up.env("KUBECONFIG", kubeconfig).env("KUBE_CONTEXT", cluster.context());
        up.env("WORKSPACE_IMAGE", images::WORKSPACE.reference);
        run(&mut up)
    };
    let first = up();
    assert!(first.contains("started as a process of this machine"), "{first}");
    assert!(first.contains("the pod answers HTTP: \"Hello from an environment variable"), "{first}");
    let again = up();
    assert!(again.contains("welcome runs in namespace"), "repeated, it changes nothing: {again}");
    assert!(!dev.state().join("cluster").exists(), "no cluster of its own");

    let interface = interface(&cluster);
    let down = run(&mut dev.command(&["down", "--purge"]));
    assert!(down.contains("Kubernetes 'second': stopped"), "{down}");
    assert!(!dev.state().exists());
    assert_eq!(traces(dir.path(), &interface), Vec::<String>::new());
}
