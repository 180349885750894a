use super::*;
use berth_schema::api::CreateWorkspace;
use serde_json::json;

const RULES: (ProjectRules, MadeFor) = (ProjectRules { allow_http: false }, MadeFor::Itself);

fn form(body: serde_json::Value) -> CreateForm {
    serde_json::from_value(body).expect("a form")
}

fn default() -> NewSpec {
    NewSpec {
        spec: WorkspaceSpec::from_image("default:1"),
        devfile: Some("as it is".to_owned()),
        translated: false,
    }
}

fn wrong_fields(body: serde_json::Value) -> Vec<String> {
    let (_, errors) = form(body).check(&default(), RULES, &Found::default()).expect_err("wrong");
    errors.into_iter().map(|error| error.field).collect()
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let body = json!({
        "name": "a".repeat(40),
        "devfile": "",
        "variables": [
            {"name": "1A", "value": "x"},
            {"name": "LD_PRELOAD", "value": "x"},
            {"name": "OK"},
            {"name": "BYTES", "value_base64": "AP8="},
            {"name": "TWICE", "value": "x"},
            {"name": "TWICE", "value": "y"},
        ],
    });
    let expected = [
        "name",
        "devfile",
        "variables[0].name",
        "variables[1].name",
        "variables[2].value",
        "variables[3].value",
        "variables[5].name",
    ];
    assert_eq!(wrong_fields(body), expected);
    assert_eq!(wrong_fields(json!({"name": "default", "image": "a"})), ["name"]);
}

#[test]
fn the_same_name_may_be_a_file_and_in_the_environment() {
    let body = json!({"image": "debian:13", "variables": [
        {"name": "TOKEN", "value": "x"}, {"name": "TOKEN", "kind": "file", "value_base64": "AP8="},
    ]});
    let checked = form(body).check(&default(), RULES, &Found::default()).expect("right");
    assert_eq!(checked.variables.len(), 2);
    assert_eq!(checked.variables[1].value.expose(), [0, 255]);
}

#[test]
fn variables_are_bounded_in_number_and_size() {
    let many: Vec<_> = (0..=MAX_COUNT).map(|i| json!({"name": format!("V{i}"), "value": ""})).collect();
    assert_eq!(wrong_fields(json!({"image": "a", "variables": many})), ["variables"]);
    let large = json!([{"name": "A", "kind": "file", "value": "x".repeat(MAX_TOTAL_BYTES)}]);
    assert_eq!(wrong_fields(json!({"image": "a", "variables": large})), ["variables"]);
}

#[test]
fn a_devfiles_own_project_is_cloned_where_the_request_names_none() {
    let devfile = |url: &str| {
        format!(
            "schemaVersion: 2.2.2\ncomponents: [{{name: a, container: {{image: a}}}}]\nprojects: [{{name: a, git: {{remotes: {{origin: '{url}'}}}}}}]\n"
        )
    };
    let body = json!({"devfile": devfile("https://git.example/a.git")});
    let cloned = |body: serde_json::Value| {
        let checked = form(body).check(&default(), RULES, &Found::default()).expect("right");
        checked.spec.spec.project.expect("a project").url.to_string()
    };
    assert_eq!(cloned(body.clone()), "https://git.example/a.git");
    let mut named = body;
    named["project"] = json!({"url": "https://git.example/mine.git"});
    assert_eq!(cloned(named), "https://git.example/mine.git");
    assert_eq!(
        wrong_fields(json!({"devfile": devfile("http://git.example/a.git")})),
        ["devfile.projects[0]"]
    );
}

#[test]
fn a_reference_alone_is_one_of_the_projects_repository() {
    let body = || form(json!({"project": {"ref": "next"}}));
    let (_, errors) = body().check(&default(), RULES, &Found::default()).expect_err("of nothing");
    assert_eq!(errors[0].field, "project.url");
    let of_project = (RULES.0, MadeFor::AProject);
    let checked = body().check(&default(), of_project, &Found::default()).expect("right");
    assert_eq!(checked.reference.expect("a reference").as_str(), "next");
    let wrong = form(json!({"project": {"ref": "-x"}})).check(&default(), of_project, &Found::default());
    assert_eq!(wrong.expect_err("wrong").1[0].field, "project.ref");
}

#[test]
fn a_devfile_a_devcontainer_and_an_image_exclude_each_other() {
    assert_eq!(wrong_fields(json!({"image": "a", "devfile": "schemaVersion: 2.2.2"})), ["image"]);
    assert_eq!(wrong_fields(json!({"image": "a", "devcontainer": "{}"})), ["image"]);
    assert_eq!(wrong_fields(json!({"devfile": "", "devcontainer": "{}"})), ["devcontainer"]);
    assert_eq!(wrong_fields(json!({"devfile": "", "devcontainer": "{}", "image": "a"})), ["image"]);
}

#[test]
fn without_any_of_them_the_default_is_taken_and_a_rebuild_needs_one() {
    let checked = form(json!({})).check(&default(), RULES, &Found::default()).expect("right");
    assert_eq!((checked.spec.spec, checked.spec.devfile), (default().spec, default().devfile));
    let mut errors = vec![];
    assert!(spec_of(Given::default(), None, &Options::default(), &mut errors).is_none());
    assert_eq!(errors[0].field, "devfile");
}

#[test]
fn a_devcontainer_is_translated_and_its_errors_say_where() {
    let checked = form(json!({"devcontainer": "{\"image\": \"node:22\"}"}))
        .check(&default(), RULES, &Found::default())
        .expect("right");
    assert_eq!(checked.spec.spec.containers[0].image, "node:22");
    assert_eq!(checked.spec.devfile.as_deref(), Some("{\"image\": \"node:22\"}"));
    assert_eq!(checked.spec.beyond(&Options::default()), []);
    let body = json!({"devcontainer": "{\n  \"image\": \"node:22\",\n  \"privileged\": true\n}"});
    let (_, errors) = form(body).check(&default(), RULES, &Found::default()).expect_err("privileged");
    assert_eq!(errors[0].field, "devcontainer.privileged");
    assert!(errors[0].message.contains("line 3"), "{errors:?}");
}

#[test]
fn who_commits_is_checked_and_kept() {
    let body = |name: &str| json!({"image": "a", "git_user": {"name": name, "email": "ada@example.com"}});
    let checked = form(body("Ada")).check(&default(), RULES, &Found::default()).expect("right");
    assert_eq!(checked.spec.spec.git_user.expect("a user").name, "Ada");
    assert_eq!(wrong_fields(body("Ada\n")), ["git_user.name"]);
}

#[test]
fn a_broken_devfile_says_where() {
    let (_, errors) = form(json!({"devfile": "schemaVersion: 2.2.2\ncomponents: 1\n"}))
        .check(&default(), RULES, &Found::default())
        .expect_err("broken");
    assert!(errors.iter().any(|error| error.field.starts_with("devfile.components")), "{errors:?}");
    assert!(errors.iter().any(|error| error.message.contains("line 2")), "{errors:?}");
}

#[test]
fn the_form_takes_whatever_the_schemas_request_holds() {
    let request = CreateWorkspace {
        idle_after: Some(IdleAfter::Minutes(480)),
        name: Some(WorkspaceName::new("calm-blue-bay").expect("a name")),
        agent: Some("default".to_owned()),
        devfile: Some(String::new()),
        devcontainer: Some(String::new()),
        image: Some(String::new()),
        git_user: Some(GitUser { name: String::new(), email: String::new() }),
        project: Some(ProjectInput {
            url: String::new(),
            reference: Some(String::new()),
            devfile_path: Some(String::new()),
        }),
        variables: vec![VariableInput {
            name: "A".to_owned(),
            kind: VariableKind::File,
            value: Some(String::new().into()),
            value_base64: Some(String::new().into()),
        }],
    };
    form(serde_json::to_value(request).expect("JSON"));
}
