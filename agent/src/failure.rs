//! Why something did not work, in words for the workspace's user.

use std::error::Error as _;

use berth_schema::reconcile::{ErrorDetails, ErrorType};

/// Why an action on one workspace failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The API server said no, or did not answer.
    #[error("{what}: {}", words(.source))]
    Kubernetes {
        what: String,
        #[source]
        source: kube::Error,
    },
    /// As [`Failure::Kubernetes`], of a Secret: the API server's words might repeat what was sent.
    #[error("{what}: {}", reason(.source))]
    Secret {
        what: String,
        #[source]
        source: kube::Error,
    },
    #[error("{kind}/{name} exists and belongs to another workspace, agent or person")]
    Foreign { kind: &'static str, name: String },
    #[error("the namespace {name} is not there, and the server's set does not bring it")]
    NoNamespace { name: String },
    #[error(
        "the namespace {name} does not enforce Pod Security: its administrator has to label it \
         pod-security.kubernetes.io/enforce=restricted"
    )]
    UnsafeNamespace { name: String },
    #[error("the namespace {name} was deleted and is not gone yet; it is made again then")]
    Leaving { name: String },
    #[error("the volume {name} of this workspace is gone; it is not replaced by an empty one")]
    VolumeLost { name: String },
    #[error("volume {name} could not be deleted: {message}")]
    VolumeStuck { name: String, message: String },
    #[error("the Deployment was changed again and again by somebody else")]
    Contended,
    #[error("the API server did not answer in {seconds} s")]
    TimedOut { seconds: u64 },
}

impl Failure {
    /// Whether the API server is away or has no time: nothing is known of the workspace then.
    pub fn is_unanswered(&self) -> bool {
        match self {
            Self::Kubernetes { source, .. } | Self::Secret { source, .. } => {
                matches!(source, kube::Error::HyperError(_) | kube::Error::Service(_))
                    || matches!(code(source), Some(429 | 503))
            }
            Self::Foreign { .. }
            | Self::NoNamespace { .. }
            | Self::UnsafeNamespace { .. }
            | Self::Leaving { .. }
            | Self::VolumeLost { .. }
            | Self::VolumeStuck { .. }
            | Self::Contended
            | Self::TimedOut { .. } => false,
        }
    }

    /// As the server is told of it.
    pub fn details(&self) -> ErrorDetails {
        let error_type = match self {
            Self::Kubernetes { source, .. } | Self::Secret { source, .. } if is_answer(source) => {
                ErrorType::Kubernetes
            }
            Self::VolumeStuck { .. } => ErrorType::Kubernetes,
            Self::Kubernetes { .. }
            | Self::Secret { .. }
            | Self::Foreign { .. }
            | Self::NoNamespace { .. }
            | Self::UnsafeNamespace { .. }
            | Self::Leaving { .. }
            | Self::VolumeLost { .. }
            | Self::Contended
            | Self::TimedOut { .. } => ErrorType::Applier,
        };
        ErrorDetails { error_type, error_message: self.to_string().into() }
    }
}

/// Attaches what was being done.
pub fn during(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Failure {
    let what = what.into();
    move |source| Failure::Kubernetes { what, source }
}

/// The HTTP status of an API server's answer, if it was one.
pub fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

fn is_answer(error: &kube::Error) -> bool {
    code(error).is_some()
}

/// The API server's own words, or the whole chain of what went wrong on the way to it.
pub fn words(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return status.message.clone();
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

fn reason(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} (HTTP {})", status.reason, status.code),
        _ => "the API server could not be reached".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    fn refused() -> kube::Error {
        kube::Error::Api(Status::failure("data[A]: hunter2 is too long", "Invalid").with_code(422).boxed())
    }

    #[test]
    fn the_api_servers_words_are_kept() {
        let details = during("applying Service/w")(refused()).details();
        assert_eq!(details.error_type, ErrorType::Kubernetes);
        assert_eq!(details.error_message, "applying Service/w: data[A]: hunter2 is too long");
    }

    #[test]
    fn only_an_api_server_that_is_away_or_busy_gives_no_answer() {
        let answered = |code| {
            let status = Status::failure("words", "Reason").with_code(code).boxed();
            during("applying Service/w")(kube::Error::Api(status))
        };
        assert!(answered(503).is_unanswered() && answered(429).is_unanswered());
        // An admission webhook that fails is answered with 500, and may do so for one workspace only.
        assert!(!answered(500).is_unanswered() && !answered(422).is_unanswered());
        let away = kube::Error::Service(std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into());
        assert!(during("applying Service/w")(away).is_unanswered());
    }

    #[test]
    fn of_a_secret_only_the_reason_is_kept() {
        let what = "applying Secret/w-env".to_owned();
        let details = Failure::Secret { what, source: refused() }.details();
        assert_eq!(details.error_message, "applying Secret/w-env: Invalid (HTTP 422)");
    }
}
