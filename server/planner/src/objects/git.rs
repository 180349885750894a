//! What git finds in a workspace: a configuration, the credential helper, and a volume of credentials that the agent keeps new.

use std::fmt::Write as _;

use berth_schema::git::GitUser;
use berth_schema::kubernetes;
use k8s_openapi::api::core::v1::{SecretVolumeSource, Volume};

use super::{Context, scripts};

/// The names of the two in the ConfigMap of scripts.
pub(super) const CONFIGURATION: &str = "gitconfig";
pub(super) const HELPER: &str = "git-credential-berth";
pub(super) const HELPER_SCRIPT: &str = include_str!("git-credential-berth.sh");

/// git reads it in the place of `/etc/gitconfig`, whose content comes first: what `~/.gitconfig` and a repository say comes
/// later and wins, as everywhere else.
pub(super) fn configuration(user: Option<&GitUser>) -> String {
    let mut text = format!(
        "[include]\n\tpath = /etc/gitconfig\n[credential]\n\thelper = \"!/bin/sh {}/{HELPER}\"\n",
        scripts::PATH
    );
    if let Some(GitUser { name, email }) = user {
        let _ = write!(text, "[user]\n\tname = {}\n\temail = {}\n", quoted(name), quoted(email));
    }
    text
}

/// As `git config` writes a value that may hold anything but a control character.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The environment variable that names the configuration to git, and where that is.
pub(super) fn environment() -> (String, String) {
    ("GIT_CONFIG_SYSTEM".to_owned(), format!("{}/{CONFIGURATION}", scripts::PATH))
}

/// It may come later than the pod, and changes in it: git asks the helper each time.
pub(super) fn volume(context: &Context<'_>, name: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(kubernetes::git_secret(context.name())),
            // Group 0 reads; nobody else does.
            default_mode: Some(0o440),
            optional: Some(true),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_quotation_marks() {
        let user = GitUser { name: "A \"B\" \\".to_owned(), email: "a@example.com".to_owned() };
        let text = configuration(Some(&user));
        assert!(
            text.ends_with("[user]\n\tname = \"A \\\"B\\\" \\\\\"\n\temail = \"a@example.com\"\n"),
            "{text}"
        );
        assert!(!configuration(None).contains("[user]"));
    }
}
