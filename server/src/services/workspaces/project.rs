//! Which project a new workspace clones.

use berth_schema::api::ProjectInput;
use berth_schema::projects::ProjectSettings;
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
    let reference = reference(input, errors);
    Some(ProjectSpec { url: url?, reference })
}

/// The branch, tag or commit that a request names, or what is wrong with it.
pub(super) fn reference(input: &ProjectInput, errors: &mut Vec<FieldError>) -> Option<GitReference> {
    let reference = input.reference.as_deref().map(GitReference::new).transpose();
    reference.map_err(|error| errors.push(FieldError::new("project.ref", error.to_string()))).ok().flatten()
}

/// What a workspace clones that is made for a project: what its request or its devfile names, or else the project's repository, by the
/// reference that the request names.
pub(super) fn of_project(
    settings: &ProjectSettings,
    named: Option<ProjectSpec>,
    reference: Option<&GitReference>,
    rules: ProjectRules,
) -> Result<Option<ProjectSpec>, FieldError> {
    match (named, &settings.repository, reference) {
        (Some(_), _, Some(_)) | (None, None, Some(_)) => {
            let message = "is needed beside 'ref': the project's repository is not what is cloned";
            Err(FieldError::new("project.url", message))
        }
        (named @ Some(_), ..) => Ok(named),
        (None, None, None) => Ok(None),
        (None, Some(repository), _) if repository.url.is_plain_http() && !rules.allow_http => {
            Err(FieldError::new("project.url", format!("of the project {PLAIN_HTTP}")))
        }
        (None, Some(repository), reference) => {
            let reference = reference.cloned().or_else(|| repository.reference.clone());
            Ok(Some(ProjectSpec { reference, ..repository.clone() }))
        }
    }
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
        let input =
            ProjectInput { url: url.to_owned(), reference: Some(reference.to_owned()), devfile_path: None };
        let mut errors = Vec::new();
        let project = given(&input, ProjectRules { allow_http }, &mut errors);
        (project.is_some(), errors.into_iter().map(|error| error.field).collect())
    }

    #[test]
    fn what_a_request_names_is_cloned_in_place_of_the_projects_repository() {
        let spec = |url: &str, reference: Option<&str>| ProjectSpec {
            url: ProjectUrl::new(url).expect("a URL"),
            reference: reference.map(|text| GitReference::new(text).expect("a reference")),
        };
        let of = |url: &str| ProjectSettings {
            repository: Some(spec(url, Some("main"))),
            ..ProjectSettings::default()
        };
        let settings = of("https://git.example/a.git");
        let next = GitReference::new("next").expect("a reference");
        let mine = spec("https://git.example/mine.git", None);
        let rules = ProjectRules::default();
        let cloned = |named, reference| of_project(&settings, named, reference, rules);
        assert_eq!(cloned(None, None), Ok(settings.repository.clone()));
        assert_eq!(cloned(None, Some(&next)), Ok(Some(spec("https://git.example/a.git", Some("next")))));
        assert_eq!(cloned(Some(mine.clone()), None), Ok(Some(mine.clone())));
        assert!(cloned(Some(mine), Some(&next)).is_err(), "a devfile's, of which none is named");
        let nothing = ProjectSettings::default();
        assert_eq!(of_project(&nothing, None, None, rules), Ok(None));
        assert_eq!(
            of_project(&nothing, None, Some(&next), rules).expect_err("of nothing").field,
            "project.url"
        );
        // What the server lets be cloned may have changed since.
        assert!(of_project(&of("http://git.example/a.git"), None, None, rules).is_err());
        assert!(
            of_project(&of("http://git.example/a.git"), None, None, ProjectRules { allow_http: true })
                .is_ok()
        );
    }

    #[test]
    fn a_project_is_checked_and_plain_http_is_an_option_of_the_server() {
        assert_eq!(wrong("https://git.example/a.git", "main", false), (true, vec![]));
        assert_eq!(wrong("http://git.example/a.git", "main", false).1, ["project.url"]);
        assert_eq!(wrong("http://git.example/a.git", "main", true), (true, vec![]));
        assert_eq!(wrong("https://u:p@git.example/a", "-x", false).1, ["project.url", "project.ref"]);
    }
}
