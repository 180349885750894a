//! The scripts of a start, run by a real shell in a directory that stands for the data volume.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};

use berth_schema::spec::{CommandSpec, ContainerSpec, Directory, WorkspaceSpec};
use berth_schema::{DesiredState, ProjectSpec, ProjectUrl};
use serde_json::Value;

use super::tests::rendered;
use crate::config::AgentConfig;

fn command(id: &str, component: &str, line: &str) -> CommandSpec {
    CommandSpec {
        id: id.to_owned(),
        component: component.to_owned(),
        command_line: line.to_owned(),
        working_dir: Some(Directory::Project(String::new())),
        env: BTreeMap::new(),
        once: false,
        late: false,
    }
}

fn once(id: &str, line: &str) -> CommandSpec {
    CommandSpec { once: true, ..command(id, "main", line) }
}

fn spec(commands: Vec<CommandSpec>) -> WorkspaceSpec {
    let mut spec = WorkspaceSpec::from_image("registry.example/dev:1");
    let second =
        ContainerSpec { name: "second".to_owned(), image: "a".to_owned(), ..ContainerSpec::default() };
    spec.containers.push(second);
    spec.events.post_start = commands;
    spec
}

/// A container that starts. It does not outlive its test, whatever that finds.
struct Started(Child);

impl Started {
    fn ends_well(mut self) {
        assert!(self.0.wait().expect("an end").success());
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It has ended already, as a rule.
        let _ = self.0.kill();
    }
}

/// A pod's data volume and scripts on this machine.
struct Pod {
    root: tempfile::TempDir,
    objects: Vec<Value>,
}

impl Pod {
    fn of(spec: WorkspaceSpec) -> Self {
        Self::on(tempfile::tempdir().expect("a directory"), spec)
    }

    /// Another pod on the volume of an earlier one.
    fn rebuilt(self, spec: WorkspaceSpec) -> Self {
        Self::on(self.root, spec)
    }

    fn on(root: tempfile::TempDir, spec: WorkspaceSpec) -> Self {
        let pod = Self { root, objects: rendered(spec, AgentConfig::default(), DesiredState::Running) };
        fs::create_dir_all(pod.path("projects")).expect("a volume");
        fs::create_dir_all(pod.path("scripts")).expect("scripts");
        let map = pod.objects.iter().find(|object| object["kind"] == "ConfigMap").expect("a ConfigMap");
        for (name, text) in map["data"].as_object().expect("files") {
            let text = pod.here(text.as_str().expect("text"));
            fs::write(pod.path("scripts").join(name), text).expect("a script");
        }
        pod
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// A text of the pod with the paths of this machine.
    fn here(&self, text: &str) -> String {
        text.replace("/.berth/scripts", &self.path("scripts").display().to_string())
            .replace("/projects", &self.path("projects").display().to_string())
            .replace("GIT_ALLOW_PROTOCOL=https:http:ssh", "GIT_ALLOW_PROTOCOL=file")
            .replace("https://git.example", &format!("file://{}", self.path("git").display()))
    }

    fn shell() -> Command {
        let mut shell = Command::new("/bin/sh");
        shell.current_dir("/").env("PROJECT_SOURCE", "as the pod says");
        shell
    }

    fn started(&self, container: &str) -> Started {
        let script = self.path("scripts").join(format!("start-{container}.sh"));
        Self::shell().arg(script).spawn().map(Started).expect("a shell")
    }

    fn start(&self, container: &str) {
        self.started(container).ends_well();
    }

    /// Runs what the first init container runs.
    fn before(&self) -> Output {
        let deployment = self.objects.last().expect("a Deployment");
        let words = &deployment["spec"]["template"]["spec"]["initContainers"][0]["command"];
        let script = self.here(&words[2].as_str().expect("a script").replace("$$", "$"));
        Self::shell().arg("-c").arg(script).output().expect("a shell")
    }

    fn log(&self, id: &str) -> String {
        let path = self.path("projects/workspace-logs").join(format!("post-start-{id}.log"));
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// A repository with one file, at the address of `project`.
    fn serve_project(&self) {
        let repository = self.path("git/shop.git");
        fs::create_dir_all(&repository).expect("a directory");
        fs::write(repository.join("package.json"), "{}").expect("a file");
        let git = |words: &[&str]| {
            let mut git = Command::new("git");
            git.current_dir(&repository).args(["-c", "user.name=a", "-c", "user.email=a@example.com"]);
            assert!(git.args(words).output().expect("git").status.success(), "{words:?}");
        };
        git(&["init", "--quiet"]);
        git(&["add", "package.json"]);
        git(&["commit", "--quiet", "--message", "one"]);
    }
}

fn project() -> ProjectSpec {
    let url = ProjectUrl::new("https://git.example/shop.git").expect("a URL");
    ProjectSpec { url, reference: None }
}

fn ended(path: &Path) -> bool {
    path.exists()
}

#[test]
fn a_command_with_a_syntax_error_fails_by_itself_and_the_next_one_runs() {
    for wrong in [
        "echo \"it's two",
        "make run &; make run-frontend",
        "if true; then",
        "cat <<END",
        "$(",
        "'",
        "cd /tmp; echo two) ; (echo",
        "}",
        "done",
    ] {
        let commands = [("one", "echo first"), ("two", wrong), ("three", "echo third")];
        let pod = Pod::of(spec(commands.map(|(id, line)| command(id, "main", line)).into()));
        pod.start("main");
        assert_eq!(pod.log("one"), "first\nended with 0\n", "{wrong}");
        assert!(pod.log("two").contains("ended with"), "{wrong}: {}", pod.log("two"));
        assert!(wrong.starts_with("cat") || !pod.log("two").contains("ended with 0"), "{wrong}");
        assert_eq!(pod.log("three"), "third\nended with 0\n", "{wrong}");
    }
}

#[test]
fn a_command_ends_alone_whatever_it_does_to_its_shell() {
    let lines = ["exit 3", "exec false", "set -e; false; echo no", "kill -9 $$", "-x", "trap 'exit 9' EXIT"];
    let mut commands: Vec<_> =
        lines.iter().enumerate().map(|(i, line)| command(&format!("c{i}"), "main", line)).collect();
    commands.push(command("last", "main", "echo last"));
    let pod = Pod::of(spec(commands));
    pod.start("main");
    let codes: Vec<_> = (0..lines.len()).map(|i| pod.log(&format!("c{i}"))).collect();
    assert_eq!(codes[0], "ended with 3\n");
    assert_eq!(codes[1], "ended with 1\n");
    assert_eq!(codes[2], "ended with 1\n");
    assert!(codes[3].ends_with("ended with 137\n"), "{codes:?}");
    assert!(codes[4].ends_with("ended with 127\n"), "{codes:?}");
    assert_eq!(codes[5], "ended with 9\n");
    assert_eq!(pod.log("last"), "last\nended with 0\n");
}

#[test]
fn commands_run_in_the_projects_directory_or_below_it_as_soon_as_the_project_is_there() {
    let mut of_project = spec(vec![
        command("here", "main", "pwd; ls package.json"),
        CommandSpec {
            working_dir: Some(Directory::Project("it's here".to_owned())),
            ..command("below", "main", "pwd")
        },
        command("second", "second", "pwd; ls package.json"),
        CommandSpec {
            working_dir: Some(Directory::Absolute("/".to_owned())),
            ..command("else", "main", "pwd")
        },
    ]);
    of_project.project = Some(project());
    let pod = Pod::of(of_project.clone());
    pod.serve_project();
    fs::create_dir_all(pod.path("projects/.berth/project")).expect("a directory");
    let second = pod.started("second");
    pod.start("main");
    second.ends_well();
    let shop = pod.path("projects/shop").display().to_string();
    let cloned = fs::read_to_string(pod.path("projects/workspace-logs/project-clone.log")).expect("a log");
    assert_eq!(pod.log("here"), format!("{shop}\npackage.json\nended with 0\n"), "{cloned}");
    assert!(pod.log("below").contains("it's here"), "{}", pod.log("below"));
    assert!(pod.log("below").ends_with("ended with 1\n"), "there is no such directory");
    assert_eq!(pod.log("second"), format!("{shop}\npackage.json\nended with 0\n"));
    assert_eq!(pod.log("else"), "/\nended with 0\n");
    of_project.project = None;
    let without = Pod::of(of_project);
    let second = without.started("second");
    without.start("main");
    second.ends_well();
    let projects = without.path("projects").display().to_string();
    assert!(without.log("here").starts_with(&format!("{projects}\n")), "{}", without.log("here"));
}

#[test]
fn the_order_of_an_event_holds_across_containers_and_at_the_next_start_too() {
    let commands = vec![
        command("a", "main", "sleep 1; echo a >>order"),
        command("b", "second", "echo b >>order"),
        command("c", "main", "echo c >>order"),
        command("d", "second", "echo d >>order"),
    ];
    let pod = Pod::of(spec(commands));
    for round in 1..=2 {
        let second = pod.started("second");
        pod.start("main");
        second.ends_well();
        let order = fs::read_to_string(pod.path("projects/order")).expect("what they wrote");
        if round == 1 {
            assert_eq!(order, "a\nb\nc\nd\n");
        } else {
            assert_eq!(order.lines().count(), 8, "{order}");
        }
    }
    // One container that starts again in a pod that runs does its own again and waits for nobody.
    pod.start("second");
    let order = fs::read_to_string(pod.path("projects/order")).expect("what they wrote");
    assert!(order.ends_with("b\nd\n"), "{order}");
}

#[test]
fn the_marks_of_other_pods_are_gone_after_a_start() {
    let pod = Pod::of(spec(vec![command("a", "main", "true")]));
    let old = pod.path("projects/.berth/start/an-earlier-pod");
    fs::create_dir_all(&old).expect("a directory");
    pod.start("main");
    assert!(!ended(&old));
}

#[test]
fn a_command_that_runs_once_does_so_once_for_the_volume_and_as_it_is_written() {
    let mut pod = Pod::of(spec(vec![once("a", "echo a >>ran"), command("b", "main", "echo b >>ran")]));
    let ran = pod.path("projects/ran");
    pod.start("main");
    pod.start("main");
    assert_eq!(fs::read_to_string(&ran).expect("a file"), "a\nb\nb\n");
    assert_eq!(pod.log("a"), "ended with 0\n", "the log is that of the one time");
    // Rebuilt with the same text it does not run again, with another it does.
    pod = pod.rebuilt(spec(vec![once("a", "echo a >>ran")]));
    pod.start("main");
    pod = pod.rebuilt(spec(vec![once("a", "echo 'it''s another\n' >>ran\n\n")]));
    pod.start("main");
    pod.start("main");
    assert_eq!(fs::read_to_string(&ran).expect("a file"), "a\nb\nb\nits another\n\n");
}

#[test]
fn a_command_that_runs_once_and_failed_or_was_cut_off_is_tried_again() {
    let pod = Pod::of(spec(vec![once("a", "echo a >>ran; [ -e allowed ]")]));
    pod.start("main");
    assert_eq!(pod.log("a"), "ended with 1\n");
    fs::write(pod.path("projects/allowed"), "").expect("a file");
    pod.start("main");
    pod.start("main");
    assert_eq!(fs::read_to_string(pod.path("projects/ran")).expect("a file"), "a\na\n");
}

#[test]
fn a_project_that_could_not_be_cloned_comes_at_the_next_start_beside_what_commands_left() {
    let mut of_project = spec(vec![command("a", "main", "echo mine >package.json; echo lock >lock")]);
    of_project.project = Some(project());
    let pod = Pod::of(of_project);
    let script = pod.path("scripts/clone-project.sh");
    let hurried = fs::read_to_string(&script).expect("a script").replace("in 2 8 0", "in 0");
    fs::write(&script, hurried).expect("a script");
    pod.start("main");
    assert!(!ended(&pod.path("projects/shop/.git")) && ended(&pod.path("projects/shop/lock")));
    pod.serve_project();
    pod.start("main");
    assert!(ended(&pod.path("projects/shop/.git")), "it is cloned");
    let kept = fs::read_to_string(pod.path("projects/shop/package.json")).expect("a file");
    assert_eq!(kept, "mine\n", "what is there stays");
}

#[test]
fn of_a_repository_without_files_it_is_said_why_there_are_none_and_what_is_pushed_later_comes() {
    for (made, said) in [
        ("git init --quiet --bare shop.git", "the repository is empty"),
        (
            "git init --quiet --bare shop.git; git init --quiet w; cd w; git -c user.name=a -c user.email=a@b.example \
             commit --quiet --allow-empty -m one; git push --quiet ../shop.git HEAD:refs/heads/other",
            "a branch that is not there: no files are checked out; there are: refs/heads/other",
        ),
    ] {
        let mut of_project = spec(vec![command("a", "main", "git remote get-url origin")]);
        of_project.project = Some(project());
        let pod = Pod::of(of_project);
        fs::create_dir_all(pod.path("git")).expect("a directory");
        let run = |directory: &str, line: &str| {
            let mut shell = Command::new("sh");
            let ran =
                shell.current_dir(pod.path(directory)).args(["-e", "-c", line]).output().expect("a shell");
            assert!(ran.status.success(), "{line}: {}", String::from_utf8_lossy(&ran.stderr));
        };
        run("git", made);
        pod.start("main");
        let log = fs::read_to_string(pod.path("projects/workspace-logs/project-clone.log")).expect("a log");
        assert!(log.contains(said), "{log}");
        assert!(pod.log("a").ends_with("shop.git\nended with 0\n"), "{}", pod.log("a"));
        let later = "git init --quiet l; cd l; echo 1 >new; git add new; git -c user.name=a -c user.email=a@b.example \
                     commit --quiet -m two; git push --quiet ../shop.git HEAD:refs/heads/later";
        run("git", later);
        // The history may be on its way yet.
        run(
            "projects/shop",
            "until git fetch --quiet origin; do sleep 0.1; done; git checkout --quiet later; test -s new",
        );
    }
}

#[test]
fn a_project_comes_from_a_server_of_plain_files_too() {
    let mut of_project = spec(vec![command("a", "main", "ls package.json")]);
    of_project.project = Some(project());
    let pod = Pod::of(of_project);
    pod.serve_project();
    let git = Command::new("git").arg("-C").arg(pod.path("git/shop.git")).arg("update-server-info").status();
    assert!(git.expect("git").success());
    let address = serve_files(pod.path("git/shop.git/.git"));
    let script = pod.path("scripts/clone-project.sh");
    let text = fs::read_to_string(&script).expect("a script").replace("in 2 8 0", "in 1 0");
    let text = text.replace("GIT_ALLOW_PROTOCOL=file", "GIT_ALLOW_PROTOCOL=http");
    let file = format!("file://{}", pod.path("git").join("shop.git").display());
    assert!(text.contains(&file), "{text}");
    fs::write(&script, text.replace(&file, &format!("http://{address}/shop.git"))).expect("a script");
    pod.start("main");
    let log = fs::read_to_string(pod.path("projects/workspace-logs/project-clone.log")).expect("a log");
    assert_eq!(pod.log("a"), "package.json\nended with 0\n", "{log}");
    assert!(log.contains("dumb http transport does not support shallow"), "it was no such server: {log}");
}

/// A server of the files of a repository, at `/shop.git`, until the tests end.
fn serve_files(root: PathBuf) -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.expect("a connection");
            let mut head = String::new();
            let mut lines = BufReader::new(&socket);
            while lines.read_line(&mut head).expect("a line") > 2 {}
            let path = head.split(' ').nth(1).unwrap_or_default();
            let path = path.split('?').next().unwrap_or_default().trim_start_matches("/shop.git/");
            let (status, body) = match fs::read(root.join(path)) {
                Ok(body) => ("200 OK", body),
                Err(_) => ("404 Not Found", Vec::new()),
            };
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
            // Who has heard enough goes.
            let _ = socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(&body));
        }
    });
    address
}

#[test]
fn a_directory_that_somebody_filled_before_is_left_as_it_is() {
    let mut of_project = spec(vec![]);
    of_project.project = Some(project());
    let pod = Pod::of(of_project);
    pod.serve_project();
    fs::create_dir_all(pod.path("projects/shop")).expect("a directory");
    fs::write(pod.path("projects/shop/mine"), "").expect("a file");
    pod.start("main");
    assert!(!ended(&pod.path("projects/shop/.git")));
}

#[test]
fn what_a_command_before_the_start_leaves_in_the_projects_directory_does_not_keep_the_project_out() {
    let mut of_project = spec(vec![command("a", "main", "ls package.json early")]);
    of_project.project = Some(project());
    of_project.events.pre_start = vec![command("early", "main", "pwd; echo here >early")];
    let pod = Pod::of(of_project);
    pod.serve_project();
    assert!(pod.before().status.success());
    pod.start("main");
    assert_eq!(pod.log("a"), "early\npackage.json\nended with 0\n");
}

#[test]
fn a_syntax_error_before_the_start_is_in_its_log() {
    let mut broken = spec(vec![]);
    broken.events.pre_start = vec![command("early", "main", "echo first\necho \"it's")];
    let pod = Pod::of(broken);
    let output = pod.before();
    assert!(!output.status.success());
    let log = pod.path("projects/workspace-logs/pre-start-early.log");
    let log = fs::read_to_string(log).expect("a log");
    assert_eq!(String::from_utf8_lossy(&output.stdout), log);
    let log = log.to_lowercase();
    assert!(log.contains("syntax error") || log.contains("unterminated"), "{log}");
}

#[test]
fn what_a_command_before_the_start_writes_is_in_its_containers_log_too_with_its_exit_code() {
    let mut failing = spec(vec![]);
    failing.events.pre_start =
        vec![command("early", "main", "echo it\\'s \"$((6 * 7))\"; echo wrong >&2; exit 7")];
    let pod = Pod::of(failing);
    let output = pod.before();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(7), b"it's 42\nwrong\n".as_slice()));
    // Where no file can be written it says so itself.
    fs::remove_dir_all(pod.path("projects/workspace-logs")).expect("removed");
    fs::write(pod.path("projects/workspace-logs"), "").expect("in its place");
    let output = pod.before();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(7), b"it's 42\n".as_slice()));
}

#[test]
fn late_variables_are_filled_wherever_they_stand_in_the_shells_quotes() {
    let late = |id: &str, line: &str| CommandSpec { late: true, ..command(id, "main", line) };
    let mut of_project = spec(vec![
        late(
            "folder",
            "echo '${containerWorkspaceFolder}' \"${localWorkspaceFolderBasename}\" ${devcontainerId}",
        ),
        late("path", "echo '${containerEnv:GIVEN}' \"${containerEnv:ABSENT:it's } \\$X}\" $ADDED"),
        late("empty", "${containerEnv:ABSENT}"),
        command("literal", "main", "echo '${containerWorkspaceFolder}'"),
    ]);
    of_project.project = Some(project());
    let main = &mut of_project.containers[0];
    main.start_env.insert("ADDED".to_owned(), "${containerEnv:GIVEN}:/$HOME".to_owned());
    main.start_env.insert("GIVEN".to_owned(), "${containerWorkspaceFolder}".to_owned());
    main.late_env.insert("SOURCE".to_owned(), "$(A) ${containerWorkspaceFolder}/src".to_owned());
    let pod = Pod::of(of_project);
    pod.serve_project();
    let script = pod.path("scripts/start-main.sh");
    let run = Pod::shell().env("GIVEN", "a  'b'").arg(script).status().expect("a shell");
    assert!(run.success());
    let shop = pod.path("projects/shop").display().to_string();
    let id = "00000000-0000-0000-0000-000000000003";
    assert_eq!(pod.log("folder"), format!("{shop} shop {id}\nended with 0\n"));
    assert!(pod.log("path").contains(":/$HOME"), "{}", pod.log("path"));
    assert_eq!(pod.log("empty"), "ended with 0\n");
    assert_eq!(pod.log("literal"), "${containerWorkspaceFolder}\nended with 0\n");
    let deployment = pod.objects.last().expect("a Deployment");
    let env = &deployment["spec"]["template"]["spec"]["containers"][0]["env"];
    let source = env.as_array().expect("a list").iter().find(|variable| variable["name"] == "SOURCE");
    assert_eq!(source.expect("it is set")["value"], "$$(A) /projects/shop/src");
}

#[test]
fn the_scripts_change_no_variable_of_the_users() {
    let names = ["pod", "state", "marks", "step", "code", "log", "other", "directory", "url", "tools"];
    let line = names.map(|name| format!("echo {name}=${name}")).join("; ");
    let pod = Pod::of(spec(vec![command("z", "second", "true"), once("a", &line)]));
    let second = pod.started("second");
    let mut main = Pod::shell();
    for name in names {
        main.env(name, "mine");
    }
    assert!(main.arg(pod.path("scripts/start-main.sh")).status().expect("a shell").success());
    second.ends_well();
    let expected = names.map(|name| format!("{name}=mine\n")).concat();
    assert_eq!(pod.log("a"), expected + "ended with 0\n");
}
