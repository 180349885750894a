//! A devfile that is right, as a JSON value.

use serde_json::{Map, Value, json};

use super::random::Random;

const IMAGES: [&str; 6] = [
    "alpine",
    "alpine:3.20",
    "docker.io/library/debian:bookworm-slim",
    "registry.example.com:5000/team/tools:v1.2.3",
    "ghcr.io/org/a__b/c-d@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "localhost:5000/x:{{tag}}",
];
/// Texts that a careless reader or renderer trips over.
const TEXTS: [&str; 8] = [
    "x",
    "",
    "a b",
    "$(HOME) ${HOME}",
    "yes",
    "0x10",
    "ä€😀 \"quoted\" 'too'",
    "two\nlines: # no comment\n\t- tab",
];

pub(super) fn devfile(random: &mut Random) -> Value {
    let volumes = random.below(3);
    let containers = 1 + random.below(3);
    let main = random.below(containers);
    let mut components: Vec<Value> =
        (0..containers).map(|i| container(i, containers, i == main, volumes, random)).collect();
    let mut commands = commands(containers, random);
    let mut pre_start: Vec<&str> = Vec::new();
    let post_start: Vec<String> = ids(&commands);
    if random.one_in(3, 1) {
        components.push(
            json!({"name": "first", "container": {"image": "busybox", "command": ["sh", "-c", "exit 0"]}}),
        );
        commands.push(json!({"id": "run-first", "apply": {"component": "first"}}));
        pre_start.push("run-first");
    }
    components.extend((0..volumes).map(|i| volume(i, random)));
    let mut devfile = json!({
        "schemaVersion": random.pick(&["2.2.0", "2.2.1", "2.2.2", "2.3.0"]),
        "metadata": {"name": "generated", "tags": ["test"], "language": random.pick(&TEXTS)},
        "variables": {"tag": "v1", "word": random.pick(&TEXTS)},
        "components": components,
    });
    if !commands.is_empty() {
        devfile["commands"] = Value::Array(commands);
        devfile["events"] = json!({"preStart": pre_start, "postStart": post_start});
    }
    devfile
}

fn ids(commands: &[Value]) -> Vec<String> {
    commands.iter().filter_map(|command| command["id"].as_str()).map(str::to_owned).collect()
}

fn container(index: usize, count: usize, main: bool, volumes: usize, random: &mut Random) -> Value {
    let mut container = Map::new();
    container.insert("image".to_owned(), json!(random.pick(&IMAGES)));
    resources(&mut container, random);
    let env: Vec<Value> =
        (0..random.below(4)).map(|i| json!({"name": format!("VALUE_{i}"), "value": text(random)})).collect();
    container.insert("env".to_owned(), Value::Array(env));
    let endpoints: Vec<Value> = (0..random.below(3)).map(|i| endpoint(index * 10 + i, random)).collect();
    container.insert("endpoints".to_owned(), Value::Array(endpoints));
    let mounts: Vec<Value> = (0..volumes)
        .map(|i| json!({"name": format!("volume-{i}"), "path": format!("/mnt/volume-{i}")}))
        .collect();
    container.insert("volumeMounts".to_owned(), Value::Array(mounts));
    let mut attributes = json!({"example.com/anything": [1, null, {"deep": text(random)}]});
    if main && (count > 1 || random.one_in(2, 1)) {
        attributes["berth/inject-editor"] = json!(true);
    }
    if random.one_in(4, 1) {
        attributes["overrideCommand"] = json!(false);
        container.insert("command".to_owned(), json!(["sleep", text(random)]));
        container.insert("args".to_owned(), json!(["infinity"]));
    }
    json!({"name": format!("part-{index}"), "attributes": attributes, "container": container})
}

fn text(random: &mut Random) -> String {
    if random.one_in(8, 1) {
        "before {{ word }} after {{ .NotOurs }}".to_owned()
    } else {
        random.pick(&TEXTS).to_owned()
    }
}

fn resources(container: &mut Map<String, Value>, random: &mut Random) {
    let mut maybe = |name: &str, values: &[Value]| {
        if random.one_in(2, 1) {
            container.insert(name.to_owned(), values[random.below(values.len())].clone());
        }
    };
    maybe("cpuRequest", &[json!("10m"), json!(0.1), json!("0.05")]);
    maybe("cpuLimit", &[json!("500m"), json!(2), json!("1.5")]);
    maybe("memoryRequest", &[json!("16Mi"), json!("20M"), json!(33_554_432)]);
    maybe("memoryLimit", &[json!("64Mi"), json!("0.5Gi"), json!("1e9")]);
}

fn endpoint(index: usize, random: &mut Random) -> Value {
    json!({
        "name": format!("port-{index}"),
        "targetPort": 3000 + index,
        "exposure": random.pick(&["public", "internal", "none"]),
        "protocol": random.pick(&["http", "ws", "tcp"]),
        "path": "/",
        "secure": random.one_in(2, 1),
    })
}

fn volume(index: usize, random: &mut Random) -> Value {
    let volume = random.pick(&[
        "{}",
        r#"{"size": "1Gi"}"#,
        r#"{"ephemeral": true}"#,
        r#"{"size": "100Mi", "ephemeral": false}"#,
    ]);
    let volume: Value = volume.parse().unwrap_or_default();
    json!({"name": format!("volume-{index}"), "volume": volume})
}

fn commands(containers: usize, random: &mut Random) -> Vec<Value> {
    (0..random.below(4))
        .map(|i| {
            json!({
                "id": format!("command-{i}"),
                "exec": {
                    "component": format!("part-{}", random.below(containers)),
                    "commandLine": format!("echo {}", text(random)),
                    "label": random.pick(&TEXTS),
                    "workingDir": random.pick(&["/projects", "$PROJECTS_ROOT/x", "/", "/tmp"]),
                    "env": [{"name": "ONLY_HERE", "value": text(random)}],
                    "hotReloadCapable": false,
                },
            })
        })
        .collect()
}
