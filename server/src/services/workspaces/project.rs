//! Which project a new workspace clones.

use berth_schema::api::ProjectInput;
use berth_schema::{FieldError, GitReference, ProjectSpec, ProjectUrl};

/// Which projects this server lets be cloned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProjectRules {
    /// Over plain HTTP too, where everything on the way can read and change what is cloned.
    pub allow_http: bool,
}

/// The project that a request names, or what is wrong with it.
pub(super) fn given(
    input: &ProjectInput,
    rules: ProjectRules,
    errors: &mut Vec<FieldError>,
) -> Option<ProjectSpec> {
    let url = match ProjectUrl::new(&input.url) {
        Ok(url) if url.is_plain_http() && !rules.allow_http => {
            errors.push(FieldError::new("project.url", PLAIN_HTTP));
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

pub(in crate::services) const PLAIN_HTTP: &str =
    "must begin with https:// or ssh://; plain HTTP is not allowed on this server";

/// What is wrong with a project that a devfile names.
pub(super) fn refused(project: Option<&ProjectSpec>, rules: ProjectRules) -> Option<FieldError> {
    project
        .filter(|project| project.url.is_plain_http() && !rules.allow_http)
        .map(|_| FieldError::new("devfile.projects[0]", PLAIN_HTTP))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(url: &str, reference: &str, allow_http: bool) -> (bool, Vec<String>) {
        let input = ProjectInput { url: url.to_owned(), reference: Some(reference.to_owned()) };
        let mut errors = Vec::new();
        let project = given(&input, ProjectRules { allow_http }, &mut errors);
        (project.is_some(), errors.into_iter().map(|error| error.field).collect())
    }

    #[test]
    fn a_project_is_checked_and_plain_http_is_an_option_of_the_server() {
        assert_eq!(wrong("https://git.example/a.git", "main", false), (true, vec![]));
        assert_eq!(wrong("http://git.example/a.git", "main", false).1, ["project.url"]);
        assert_eq!(wrong("http://git.example/a.git", "main", true), (true, vec![]));
        assert_eq!(wrong("https://u:p@git.example/a", "-x", false).1, ["project.url", "project.ref"]);
    }
}
