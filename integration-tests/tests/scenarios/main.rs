//! Berth on a real Kubernetes, from the REST API to the pod and back. One binary, one cluster; each scenario has a database,
//! a server and an agent of its own.

mod burst;
mod canary;
mod configuration;
mod creation;
mod described;
mod drift;
mod editor;
mod faults;
mod first_day;
mod git;
mod image;
mod keycloak;
mod leaks;
mod lifecycle;
mod login;
mod logs;
mod lost_node;
mod mutated;
mod network;
mod openid;
mod page;
mod passkeys;
mod poison;
mod proxy;
mod rendered;
mod replicas;
mod restore;
mod sign_in;
mod ssh;
mod takeover;
mod tools_install;
mod variables;
mod way_in;
mod way_in_installed;
mod way_in_opened;
mod way_in_shared;

use std::time::Duration;

/// More than any step takes on a busy machine: a scenario waits for a state, never for a time.
const PATIENCE: Duration = Duration::from_secs(90);

/// A devfile whose main container serves `/projects` over HTTP.
fn devfile() -> String {
    format!(
        "schemaVersion: 2.2.0
metadata:
  name: welcome
components:
  - name: main
    attributes:
      overrideCommand: false
    container:
      image: {}
      command: [tini, --, busybox, httpd]
      args: [-f, -p, '8080', -h, /projects]
      memoryLimit: 128Mi
      endpoints:
        - name: web
          targetPort: 8080
",
        berth_integration_tests::WORKSPACE_IMAGE
    )
}
