//! Faults to plant into a devfile that is right, each with what has to be said of it.

use serde_json::{Value, json};

use super::random::Random;

/// Plants one fault and gives a part of the message that it has to cause.
pub(super) fn plant(devfile: &mut Value, random: &mut Random) -> &'static str {
    let mut faults = faults();
    let (path, value, message) = faults.swap_remove(random.below(faults.len()));
    set(devfile, path, value);
    message
}

/// Where (as a JSON pointer; the part behind the last `/` may be new, `-` appends), what, and the message.
fn faults() -> Vec<(&'static str, Value, &'static str)> {
    let at_the_top = [
        ("/schemaVersion", json!("2.4.0"), "Berth reads 2.0.0"),
        ("/schemaVersion", json!(2), "Berth reads 2.0.0"),
        ("/parent", json!({"uri": "https://example.com"}), "fetches no other devfile"),
        ("/projects", json!([{"name": "x", "zip": {}}]), "clones Git repositories"),
        (
            "/projects",
            json!([{"name": "x", "git": {"remotes": {"origin": "file:///etc"}}}]),
            "must begin with https://",
        ),
        ("/compnents", json!([]), "did you mean 'components'"),
        ("/attributes", json!({"pod-overrides": {}}), "behind Berth's checks"),
        ("/variables/berth-x", json!("x"), "reserved"),
        ("/events", json!({"preStop": ["x"]}), "may stop without warning"),
        ("/events", json!({"postStart": ["nobody"]}), "names no command"),
        ("/metadata", json!([]), "must be a mapping"),
    ];
    let in_components = [
        ("/components", json!([]), "container that stays running"),
        ("/components", json!("none"), "must be a list"),
        (
            "/components/-",
            json!({"name": "x", "kubernetes": {"uri": "x", "deployByDefault": true}}),
            "objects that it makes itself",
        ),
        ("/components/-", json!({"name": "x", "image": {"autoBuild": true}}), "builds no images"),
        ("/components/-", json!({"name": "part-0", "volume": {}}), "component before it already"),
        ("/components/-", json!({"name": "berth-x", "volume": {}}), "is reserved"),
        ("/components/-", json!({"name": "data", "volume": {}}), "workspace's own volume"),
        ("/components/-", json!({"name": "v", "volume": {"size": "big"}}), "not a Kubernetes quantity"),
        ("/components/-", json!({"volume": {}}), "needs the field 'name'"),
    ];
    let in_containers = [
        ("/components/0/container/image", json!("https://example.com/x"), "without a scheme"),
        ("/components/0/container/image", json!("UPPER"), "lower-case"),
        ("/components/0/container/mountSources", json!(false), "must not be false"),
        ("/components/0/container/dedicatedPod", json!(true), "must not be true"),
        (
            "/components/0/container/securityContext",
            json!({"privileged": true}),
            "is not a field of a container",
        ),
        ("/components/0/container/cpuLimit", json!("-1"), "not a Kubernetes quantity"),
        ("/components/0/container/memoryRequest", json!("2Pi"), "more than"),
        ("/components/0/container/env/-", json!({"name": "LD_PRELOAD", "value": "x"}), "is reserved"),
        ("/components/0/container/env/-", json!({"name": "NUMBER", "value": 1}), "in quotes"),
        (
            "/components/0/container/endpoints/-",
            json!({"name": "x", "targetPort": 60001}),
            "the editor answers there",
        ),
        ("/components/0/container/endpoints/-", json!({"name": "x", "targetPort": 0}), "from 1 to 65535"),
        ("/components/0/container/endpoints/-", json!({"name": "ssh", "targetPort": 1}), "Berth's own port"),
        (
            "/components/0/container/volumeMounts/-",
            json!({"name": "nothing", "path": "/x"}),
            "names no volume",
        ),
        (
            "/components/0/container/volumeMounts/-",
            json!({"name": "x", "path": "/projects/.."}),
            "written without",
        ),
    ];
    let mut all = Vec::from(at_the_top);
    all.extend(in_components);
    all.extend(in_containers);
    all
}

fn set(devfile: &mut Value, path: &str, value: Value) {
    let (parent, last) = path.rsplit_once('/').unwrap_or(("", path));
    match devfile.pointer_mut(parent) {
        Some(Value::Array(items)) if last == "-" => items.push(value),
        Some(Value::Object(entries)) => drop(entries.insert(last.to_owned(), value)),
        other => unreachable!("a generated devfile has no {path}, but {other:?}"),
    }
}
