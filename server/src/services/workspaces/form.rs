//! What a user sends to make a workspace, and everything that can be wrong with it, all at once.

use std::borrow::Cow;
use std::collections::BTreeSet;

use berth_devfile::Options;
use berth_schema::api::{CreateWorkspace, ProjectInput, VariableInput};
use berth_schema::git::GitUser;
use berth_schema::idle::{IdleAfter, IdleRule};
use berth_schema::variables::{self, MAX_COUNT, MAX_TOTAL_BYTES, SecretValue, VariableKind};
use berth_schema::{FieldError, GitReference, WorkspaceName, WorkspaceSpec};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

use super::freeze::Own;
use super::project::{self, ProjectRules};
use super::repository::Found;

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
    pub devcontainer: Option<String>,
    #[serde(default)]
    pub image: Option<String>,
    #[serde(default)]
    pub git_user: Option<GitUser>,
    #[serde(default)]
    pub project: Option<ProjectInput>,
    #[serde(default)]
    pub variables: Vec<VariableInput>,
    #[serde(default)]
    pub idle_after: Option<IdleAfter>,
}

impl JsonSchema for CreateForm {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        CreateWorkspace::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<CreateWorkspace>()
    }
}

/// What a user gave to make a workspace of.
#[derive(Debug, Default)]
pub struct Given {
    pub devfile: Option<String>,
    pub devcontainer: Option<String>,
    pub image: Option<String>,
}

/// What a workspace is made of, with the devfile (or devcontainer.json) as it was given.
#[derive(Clone, Debug)]
pub struct NewSpec {
    pub spec: WorkspaceSpec,
    pub devfile: Option<String>,
    /// Whether that text is a devcontainer.json.
    pub translated: bool,
}

impl NewSpec {
    /// Of Berth's own default devfile.
    pub fn built_in() -> Self {
        Self::of_devfile(berth_devfile::DEFAULT.to_owned()).expect("berth-devfile's tests read it")
    }

    /// Of a devfile, or everything that is wrong with it.
    pub fn of_devfile(text: String) -> Result<Self, Vec<berth_devfile::Diagnostic>> {
        let spec = berth_devfile::parse(&text, &Options::default())?;
        Ok(Self { spec, devfile: Some(text), translated: false })
    }

    /// What of it is beyond the bounds of `options`. A lone image is in every one.
    pub fn beyond(&self, options: &Options) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let (devfile, devcontainer) = match &self.devfile {
            Some(text) if self.translated => (None, Some(text.clone())),
            Some(text) => (Some(text.clone()), None),
            None => return errors,
        };
        let given = Given { devfile, devcontainer, image: None };
        spec_of(given, None, options, &mut errors);
        errors
    }
}

/// A variable that may be stored.
#[derive(Debug)]
pub(super) struct Variable {
    pub name: String,
    pub kind: VariableKind,
    pub value: SecretValue,
}

impl Variable {
    pub(super) fn as_own(&self) -> Own<'_> {
        Own { name: &self.name, kind: self.kind, value: &self.value }
    }
}

/// Whether a workspace is made for a project of the organisation, which says what the form does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum MadeFor {
    #[default]
    Itself,
    AProject,
}

/// A form that was found right, but for its agent, which only the database knows.
#[derive(Debug)]
pub(super) struct Checked {
    /// `None`: one is drawn.
    pub name: Option<WorkspaceName>,
    pub agent: Option<String>,
    pub spec: NewSpec,
    /// What of its project's repository is wanted.
    pub reference: Option<GitReference>,
    pub variables: Vec<Variable>,
    /// What it says of idleness.
    pub idle: IdleRule,
}

impl CreateForm {
    /// Checks everything that needs no database. The agent's text comes back beside the errors, so that a wrong agent can be
    /// told with them. `default` is for a repository that has no devfile, `found` what a look into it has brought.
    pub(super) fn check(
        self,
        default: &NewSpec,
        (projects, made_for): (ProjectRules, MadeFor),
        found: &Found,
    ) -> Result<Checked, (Option<String>, Vec<FieldError>)> {
        let mut errors = Vec::new();
        let name = self.name.map(WorkspaceName::new).transpose();
        let name =
            name.map_err(|error| errors.push(FieldError::new("name", error.to_string()))).ok().flatten();
        if name.as_ref().is_some_and(|name| name.as_str() == "default") {
            let message =
                "is the name of an account that Kubernetes makes in every namespace; choose another one";
            errors.push(FieldError::new("name", message));
        }
        let given = Given { devfile: self.devfile, devcontainer: self.devcontainer, image: self.image };
        let mut spec = spec_of(given, Some(default), &Options::default(), &mut errors);
        let mut reference = None;
        let project = match self.project {
            Some(input) if input.url.is_empty() && made_for == MadeFor::AProject => {
                reference = project::reference(&input, &mut errors);
                None
            }
            project => project.map(|project| project::given(&project, projects, &mut errors)),
        };
        errors.extend(self.git_user.iter().flat_map(GitUser::wrong));
        if let Some(spec) = &mut spec {
            // What the request names is cloned, else what the devfile names.
            match project {
                Some(project) => spec.spec.project = project,
                None => errors.extend(project::refused(spec.spec.project.as_ref(), projects)),
            }
            spec.spec.git_user = self.git_user.map(Box::new);
            spec.spec.found = found.found.clone().map(Box::new);
        }
        found.locate(&mut errors);
        errors.extend(found.errors.iter().cloned());
        let variables = check_variables(("variables", &self.variables), &mut errors);
        let idle = IdleRule { stop_after: self.idle_after, max_minutes: None };
        errors.extend(idle.check().into_iter().map(of_creation));
        match spec {
            Some(spec) if errors.is_empty() => {
                Ok(Checked { name, agent: self.agent, spec, reference, variables, idle })
            }
            _ => Err((self.agent, errors)),
        }
    }
}

/// As a creation calls the field of a rule of idleness.
pub(super) fn of_creation(error: FieldError) -> FieldError {
    FieldError { field: "idle_after".into(), ..error }
}

/// The spec of the one thing that is given, or else of `default`; what is wrong goes to `errors`.
pub fn spec_of(
    given: Given,
    default: Option<&NewSpec>,
    options: &Options,
    errors: &mut Vec<FieldError>,
) -> Option<NewSpec> {
    let Given { devfile, devcontainer, image } = given;
    match (devfile, devcontainer, image) {
        (Some(text), None, None) => read(text, false, options, errors),
        (None, Some(text), None) => read(text, true, options, errors),
        (None, None, Some(image)) => match berth_devfile::image_spec(&image) {
            Ok(spec) => Some(NewSpec { spec, devfile: None, translated: false }),
            Err(diagnostic) => {
                errors.push(FieldError::new("image", diagnostic.message));
                None
            }
        },
        (None, None, None) => {
            if default.is_none() {
                let message = "one of 'devfile', 'devcontainer' and 'image' is needed";
                errors.push(FieldError::new("devfile", message));
            }
            default.cloned()
        }
        (devfile, _, image) => {
            let (field, other) = match (devfile, image) {
                (Some(_), Some(_)) => ("image", "devfile"),
                (None, _) => ("image", "devcontainer"),
                (Some(_), None) => ("devcontainer", "devfile"),
            };
            errors.push(FieldError::new(field, format!("cannot be given together with '{other}'")));
            None
        }
    }
}

fn read(text: String, translated: bool, options: &Options, errors: &mut Vec<FieldError>) -> Option<NewSpec> {
    let (field, spec) = if translated {
        ("devcontainer", berth_devfile::devcontainer::translate(&text, options))
    } else {
        ("devfile", berth_devfile::parse(&text, options))
    };
    match spec {
        Ok(spec) => Some(NewSpec { spec, devfile: Some(text), translated }),
        Err(found) => {
            errors.extend(found.iter().map(|diagnostic| diagnostic.to_field_error(field)));
            None
        }
    }
}

/// Variables that may be stored; what is wrong with the others goes to `errors`, by the name of the field that they came in.
pub(super) fn check_variables(
    (field, inputs): (&str, &[VariableInput]),
    errors: &mut Vec<FieldError>,
) -> Vec<Variable> {
    if inputs.len() > MAX_COUNT {
        let message = format!("at most {MAX_COUNT} variables are allowed, these are {}", inputs.len());
        errors.push(FieldError::new(field, message));
        return Vec::new();
    }
    let mut seen = BTreeSet::new();
    let mut total = 0;
    let mut checked = Vec::with_capacity(inputs.len());
    for (index, input) in inputs.iter().enumerate() {
        let mut wrong = |part: &str, message: String| {
            errors.push(FieldError::new(format!("{field}[{index}].{part}"), message));
        };
        if let Err(error) = variables::check_name(input.kind, &input.name) {
            wrong("name", error.to_string());
        } else if !seen.insert((input.kind, input.name.as_str())) {
            wrong("name", format!("is given twice for kind '{}'", input.kind));
        }
        match input.decode() {
            Ok(value) => {
                total += input.name.len() + value.expose().len();
                match variables::check_value(input.kind, &input.name, value.expose()) {
                    Ok(()) => checked.push(Variable { name: input.name.clone(), kind: input.kind, value }),
                    Err(error) => wrong("value", error.to_string()),
                }
            }
            Err(message) => wrong("value", message.to_owned()),
        }
    }
    if total > MAX_TOTAL_BYTES {
        let message = format!("hold {total} bytes together, at most {MAX_TOTAL_BYTES} are allowed");
        errors.push(FieldError::new(field, message));
    }
    checked
}

#[cfg(test)]
#[path = "form_tests.rs"]
mod tests;
