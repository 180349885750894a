//! What a user sends to make a workspace, and everything that can be wrong with it, all at once.

use std::collections::BTreeSet;

use berth_schema::api::{ProjectInput, VariableInput};
use berth_schema::variables::{self, MAX_COUNT, MAX_TOTAL_BYTES, SecretValue, VariableKind};
use berth_schema::{FieldError, GitReference, ProjectSpec, ProjectUrl, WorkspaceName, WorkspaceSpec};
use serde::Deserialize;

/// `api::CreateWorkspace` with a name that is not checked yet, so that a wrong name is told together with all else.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateForm {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub agent: Option<String>,
    #[serde(default)]
    pub devfile: Option<String>,
    #[serde(default)]
    pub image: Option<String>,
    #[serde(default)]
    pub project: Option<ProjectInput>,
    #[serde(default)]
    pub variables: Vec<VariableInput>,
}

/// What a workspace is made of, with the devfile as it was given.
#[derive(Clone, Debug)]
pub struct NewSpec {
    pub spec: WorkspaceSpec,
    pub devfile: Option<String>,
}

/// A variable that may be stored.
#[derive(Debug)]
pub struct Variable {
    pub name: String,
    pub kind: VariableKind,
    pub value: SecretValue,
}

/// A form that was found right, but for its agent, which only the database knows.
#[derive(Debug)]
pub struct Checked {
    /// `None`: one is drawn.
    pub name: Option<WorkspaceName>,
    pub agent: Option<String>,
    pub spec: NewSpec,
    pub variables: Vec<Variable>,
}

impl CreateForm {
    /// Checks everything that needs no database. The agent's text comes back beside the errors, so that a wrong agent can be
    /// told with them.
    pub fn check(self, projects: ProjectRules) -> Result<Checked, (Option<String>, Vec<FieldError>)> {
        let mut errors = Vec::new();
        let name = self.name.map(WorkspaceName::new).transpose();
        let name =
            name.map_err(|error| errors.push(FieldError::new("name", error.to_string()))).ok().flatten();
        let mut spec = spec_of(self.devfile, self.image, &berth_devfile::Options::default(), &mut errors);
        let project = self.project.and_then(|project| check_project(&project, projects, &mut errors));
        if let Some(spec) = &mut spec {
            spec.spec.project = project;
        }
        let variables = check_variables(&self.variables, &mut errors);
        match spec {
            Some(spec) if errors.is_empty() => Ok(Checked { name, agent: self.agent, spec, variables }),
            _ => Err((self.agent, errors)),
        }
    }
}

/// The spec of a devfile or an image, one of which is needed; what is wrong goes to `errors`.
pub fn spec_of(
    devfile: Option<String>,
    image: Option<String>,
    options: &berth_devfile::Options,
    errors: &mut Vec<FieldError>,
) -> Option<NewSpec> {
    match (devfile, image) {
        (Some(text), None) => match berth_devfile::parse(&text, options) {
            Ok(spec) => {
                return Some(NewSpec { spec, devfile: Some(text) });
            }
            Err(found) => errors.extend(found.iter().map(|diagnostic| diagnostic.to_field_error("devfile"))),
        },
        (None, Some(image)) => match berth_devfile::image_spec(&image) {
            Ok(spec) => return Some(NewSpec { spec, devfile: None }),
            Err(diagnostic) => errors.push(FieldError::new("image", diagnostic.message)),
        },
        (None, None) => errors.push(FieldError::new("devfile", "one of 'devfile' and 'image' is needed")),
        (Some(_), Some(_)) => {
            errors.push(FieldError::new("image", "cannot be given together with 'devfile'"));
        }
    }
    None
}

/// Which projects this server lets be cloned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProjectRules {
    /// Over plain HTTP too, where everything on the way can read and change what is cloned.
    pub allow_http: bool,
}

fn check_project(
    input: &ProjectInput,
    rules: ProjectRules,
    errors: &mut Vec<FieldError>,
) -> Option<ProjectSpec> {
    let url = match ProjectUrl::new(&input.url) {
        Ok(url) if url.is_plain_http() && !rules.allow_http => {
            let message = "must begin with https:// or ssh://; plain HTTP is not allowed on this server";
            errors.push(FieldError::new("project.url", message));
            None
        }
        Ok(url) => Some(url),
        Err(error) => {
            errors.push(FieldError::new("project.url", error.to_string()));
            None
        }
    };
    let reference = input.reference.as_deref().map(GitReference::new).transpose();
    let reference = reference
        .map_err(|error| errors.push(FieldError::new("project.ref", error.to_string())))
        .ok()
        .flatten();
    Some(ProjectSpec { url: url?, reference })
}

fn check_variables(inputs: &[VariableInput], errors: &mut Vec<FieldError>) -> Vec<Variable> {
    if inputs.len() > MAX_COUNT {
        let message = format!("at most {MAX_COUNT} variables are allowed, these are {}", inputs.len());
        errors.push(FieldError::new("variables", message));
        return Vec::new();
    }
    let mut seen = BTreeSet::new();
    let mut total = 0;
    let mut checked = Vec::with_capacity(inputs.len());
    for (index, input) in inputs.iter().enumerate() {
        let mut wrong = |part: &str, message: String| {
            errors.push(FieldError::new(format!("variables[{index}].{part}"), message));
        };
        if let Err(error) = variables::check_name(input.kind, &input.name) {
            wrong("name", error.to_string());
        } else if !seen.insert((input.kind, input.name.as_str())) {
            wrong("name", format!("is given twice for kind '{}'", input.kind));
        }
        match input.decode() {
            Ok(value) => {
                total += input.name.len() + value.expose().len();
                match variables::check_value(input.kind, value.expose()) {
                    Ok(()) => checked.push(Variable { name: input.name.clone(), kind: input.kind, value }),
                    Err(error) => wrong("value", error.to_string()),
                }
            }
            Err(message) => wrong("value", message.to_owned()),
        }
    }
    if total > MAX_TOTAL_BYTES {
        let message = format!("hold {total} bytes together, at most {MAX_TOTAL_BYTES} are allowed");
        errors.push(FieldError::new("variables", message));
    }
    checked
}

#[cfg(test)]
mod tests {
    use super::*;
    use berth_schema::api::CreateWorkspace;
    use serde_json::json;

    fn form(body: serde_json::Value) -> CreateForm {
        serde_json::from_value(body).expect("a form")
    }

    fn wrong_fields(body: serde_json::Value) -> Vec<String> {
        let (_, errors) = form(body).check(ProjectRules::default()).expect_err("wrong");
        errors.into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let body = json!({
            "name": "a".repeat(40),
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
    }

    #[test]
    fn the_same_name_may_be_a_file_and_in_the_environment() {
        let body = json!({"image": "debian:13", "variables": [
            {"name": "TOKEN", "value": "x"}, {"name": "TOKEN", "kind": "file", "value_base64": "AP8="},
        ]});
        let checked = form(body).check(ProjectRules::default()).expect("right");
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
    fn a_project_is_checked_and_plain_http_is_an_option_of_the_server() {
        let body = |url: &str| json!({"image": "a", "project": {"url": url, "ref": "main"}});
        let checked = form(body("https://git.example/a.git")).check(ProjectRules::default()).expect("right");
        let project = checked.spec.spec.project.expect("a project");
        assert_eq!(project.url.to_string(), "https://git.example/a.git");
        assert_eq!(wrong_fields(body("http://git.example/a.git")), ["project.url"]);
        let allowed = form(body("http://git.example/a.git")).check(ProjectRules { allow_http: true });
        assert!(allowed.expect("right").spec.spec.project.is_some());
        let both = json!({"image": "a", "project": {"url": "https://u:p@git.example/a", "ref": "-x"}});
        assert_eq!(wrong_fields(both), ["project.url", "project.ref"]);
    }

    #[test]
    fn a_devfile_and_an_image_exclude_each_other() {
        assert_eq!(wrong_fields(json!({"image": "a", "devfile": "schemaVersion: 2.2.2"})), ["image"]);
    }

    #[test]
    fn a_broken_devfile_says_where() {
        let (_, errors) = form(json!({"devfile": "schemaVersion: 2.2.2\ncomponents: 1\n"}))
            .check(ProjectRules::default())
            .expect_err("broken");
        assert!(errors.iter().any(|error| error.field.starts_with("devfile.components")), "{errors:?}");
        assert!(errors.iter().any(|error| error.message.contains("line 2")), "{errors:?}");
    }

    #[test]
    fn the_form_takes_whatever_the_schemas_request_holds() {
        let request = CreateWorkspace {
            name: Some(WorkspaceName::new("calm-blue-bay").expect("a name")),
            agent: Some("default".to_owned()),
            devfile: Some(String::new()),
            image: Some(String::new()),
            project: Some(ProjectInput { url: String::new(), reference: Some(String::new()) }),
            variables: vec![VariableInput {
                name: "A".to_owned(),
                kind: VariableKind::File,
                value: Some(String::new().into()),
                value_base64: Some(String::new().into()),
            }],
        };
        form(serde_json::to_value(request).expect("JSON"));
    }
}
