//! What servers of released versions answer is printed by `-o json` with every field: what scripts read stays there.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer};

use crate::support::{Berth, ok};

#[path = "../../../schema/tests/golden/compare.rs"]
mod compare;

/// What is asked, and the document of `schema/tests/released` that the server answers with.
const ASKED: &[(&[&str], &str)] = &[
    (&["agents", "get", "berlin"], "agent-created"),
    (&["agents", "orphans", "berlin"], "orphans"),
    (&["audit", "list"], "audit-entries"),
    (&["elevations", "list", "--all"], "elevations"),
    (&["get", "calm-blue-bay"], "workspace-list"),
    (&["git-credentials", "list"], "git-credentials"),
    (&["groups", "get", "platform"], "group"),
    (&["groups", "list"], "groups"),
    (&["groups", "members", "platform"], "given-roles"),
    (&["identity-providers", "list"], "identity-providers"),
    (&["idle", "get"], "idle-view"),
    (&["invitations", "list", "--state", "all"], "invitations"),
    (&["list"], "workspace-list"),
    (&["members", "list"], "members"),
    (&["policy", "history"], "policy-history"),
    (&["ports", "list", "calm-blue-bay"], "ports"),
    (&["projects", "list"], "projects"),
    (&["sessions", "list", "calm-blue-bay"], "connected"),
    (&["timeline", "calm-blue-bay"], "timeline"),
    (&["tokens", "list", "--state", "all"], "tokens"),
    (&["variables", "list"], "variables"),
    (&["variables", "explain", "calm-blue-bay"], "variable-origins"),
    (&["whoami"], "whoami"),
    (&["workspaces", "why", "calm-blue-bay"], "why"),
];

fn versions() -> Vec<PathBuf> {
    let released = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema/tests/released");
    fs::read_dir(released).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// As a server answers it to that command: the last page, one object of a list, and no secret that only its creation tells.
fn answer(args: &[&str], file: &Path) -> Value {
    let mut document: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    if args[0] == "get" {
        return document["items"][0].take();
    }
    let fields = document.as_object_mut().unwrap();
    for field in ["next", "token"] {
        fields.remove(field);
    }
    document
}

#[tokio::test]
async fn every_field_that_a_released_server_tells_is_in_the_json() {
    let mut wrong = Vec::new();
    let server = MockServer::start().await;
    for version in versions() {
        for (args, file) in ASKED {
            let path = version.join(format!("{file}.json"));
            // A noun that this version has not had.
            if !path.exists() {
                continue;
            }
            let told = answer(args, &path);
            server.reset().await;
            Mock::given(any()).respond_with(ok(told.clone())).mount(&server).await;
            let ran = Berth::with(&server).run(&[args, &["-o", "json"][..]].concat());
            let shown: Value = serde_json::from_str(&ran.stdout).unwrap_or(Value::Null);
            let lost = compare::lost(&told, &shown);
            if !lost.is_empty() {
                wrong.push(format!("{args:?}: {lost:?} {}", ran.stderr));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
