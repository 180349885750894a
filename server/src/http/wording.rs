//! The words of refusals: what was not found, denied or not proven, and what serde says as field errors that hold no value.

use std::borrow::Cow;

use berth_schema::{Action, FieldError, ResourceKind};

use crate::error::{DenyReason, Sought, Unproven};

/// Behind "there is no such".
pub(crate) const fn sought(what: Sought) -> &'static str {
    match what {
        Sought::Resource(ResourceKind::Variable) => "variable here",
        Sought::Resource(kind) => kind.as_str(),
        Sought::Path => "path",
        Sought::MetricsPath => "path; try /metrics",
        Sought::Issuer => "issuer of tokens on this server",
        Sought::KindOfVariable => "kind of variable: it is 'environment' or 'file'",
    }
}

/// By what somebody proves anew who they are; a provider does for whom it has brought in.
const fn how_to_prove(is_theirs: bool) -> &'static str {
    if is_theirs {
        "show a passkey at /confirm (/passkeys/new makes one), or sign in anew by your provider or a link"
    } else {
        "sign out, and in again by your organization's identity provider"
    }
}

/// Of the rules only the name of the one that decided is told, and to whom it denied something.
pub(crate) fn denied(action: Action, reason: DenyReason, rule: Option<&str>) -> String {
    let words = match reason {
        DenyReason::ReadOnlyToken => "this token may look at everything and change nothing",
        DenyReason::IsAgent => "an agent's token opens the reconcile endpoint and nothing else",
        DenyReason::IsNoAgent => "only an agent may do that",
        DenyReason::IsNoAccount => {
            "that is a person's own: it needs a login (`berth login`), not a token of an organization"
        }
        DenyReason::OtherProvider => {
            "this organization lets you in when its own identity provider has proven who you are: sign in by it, then open this again"
        }
        DenyReason::NotRecent => {
            "that changes how you sign in, and you signed in too long ago for it: show a passkey (/confirm), or sign in anew by your provider or a link, and come back within ten minutes"
        }
        DenyReason::IsNotTheirs => {
            "whoever made a workspace alone enters it, shares its ports and sets its own variables, and shared ports open for whom they are shared with: what others may do with it their role says"
        }
        DenyReason::OwnElevation => "you ask for that role yourself: somebody else has to decide about it",
        DenyReason::StepUp | DenyReason::StepUpByProvider => {
            let by = match rule {
                Some(rule) => format!("by the organization's rule '{rule}' "),
                None => String::new(),
            };
            let how = how_to_prove(reason == DenyReason::StepUp);
            return format!(
                "{by}'{action}' needs you to have proven lately who you are: {how}, and come back within ten minutes; a command line logs in \
                 again after that (`berth login`)"
            );
        }
        DenyReason::SessionRevoked | DenyReason::SessionRevokedByProvider => {
            let how = how_to_prove(reason == DenyReason::SessionRevoked);
            return format!(
                "this login was taken out of the organization, by one of its owners or by yourself at another login: {how}; a command line \
                 logs in again after that (`berth login`)"
            );
        }
        DenyReason::ConnectionEnded => {
            "somebody has ended what was open by this login at the workspace: log in anew (`berth login`)"
        }
        DenyReason::EndsEarlier => "this token ends before the one that it would rotate",
        DenyReason::Suspended => "you are suspended in this organization",
        DenyReason::UnknownRole => "your role is one that this version of the server does not know",
        DenyReason::NotPermitted if berth_policy::counts_elevations(action) => {
            return format!("your role does not permit '{action}' here");
        }
        // Nobody is to ask for what would not help.
        DenyReason::NotPermitted => {
            return format!("your role does not permit '{action}' here, and no role for a time does");
        }
        DenyReason::Rule | DenyReason::RuleFailed => {
            let rule = rule.map(|rule| format!(" '{rule}'")).unwrap_or_default();
            let does =
                if reason == DenyReason::Rule { "forbids" } else { "cannot be evaluated, which denies" };
            return format!("the organization's rule{rule} {does} '{action}'");
        }
    };
    words.to_owned()
}

/// What may be wrong with a token is one sentence: which of it is nobody's business who does not have the right one.
pub(crate) const fn unproven(reason: Unproven) -> &'static str {
    match reason {
        Unproven::NoHeader => "one header 'Authorization: Bearer <token>' is needed",
        Unproven::NoBearer => "the Authorization header must be 'Bearer <token>'",
        Unproven::Changed => "the token was revoked or rotated",
        Unproven::AgentTokenEnded => "the agent's token was replaced or revoked",
        Unproven::NoToken
        | Unproven::UnknownToken
        | Unproven::FormerSecret
        | Unproven::Expired
        | Unproven::Revoked
        | Unproven::Suspended => "the token is unknown, expired or revoked",
        Unproven::NoSession => "nobody is signed in",
        Unproven::UnknownLink | Unproven::LinkOver => {
            "this link was used already, or is too old or not whole; ask for another one"
        }
        Unproven::OtherOrigin => "the form was not sent by a page of this server",
        Unproven::UnknownAttempt => {
            "this sign-in was begun in another browser or tab, has ended already, or took longer than ten minutes; begin it anew"
        }
        Unproven::ProviderRefused => {
            "the identity provider has not signed you in; begin anew, or ask whoever manages your account there"
        }
        Unproven::ProviderNotBelieved => {
            "what the identity provider says cannot be believed; tell whoever manages your organization, and do not try again from a \
             link that somebody has sent you"
        }
        Unproven::LacksEvidence => {
            "your organization demands a stronger or a more recent sign-in than the identity provider has asked you for; sign out there, \
             and sign in with a second factor"
        }
        Unproven::Passkey => {
            "this passkey opens nothing here: it was removed, or is another server's or another person's; sign in by another one, or by a link"
        }
        Unproven::NotAdmitted => {
            "the identity provider knows you, but the organization does not let you in; ask one of its owners"
        }
    }
}

/// Names the field and says what would be right. Serde's own words repeat the value that it found, which may be somebody's
/// secret: of them only the part about what was expected is kept.
pub(super) fn field_error(path: &str, message: &str) -> FieldError {
    let message = message.rfind(" at line ").map_or(message, |end| &message[..end]);
    if let Some(field) = quoted(message, "missing field ") {
        return FieldError::new(join(path, field), "is missing");
    }
    if let Some(field) = quoted(message, "duplicate field ") {
        return FieldError::new(join(path, field), "is given twice");
    }
    if let Some(field) = quoted(message, "unknown field ") {
        // The path ends with the unknown field itself or with its parent, depending on the format.
        let path = path.strip_suffix(field).map_or(path, |parent| parent.trim_end_matches('.'));
        let field: String = field.chars().take(64).collect();
        return FieldError::new(join(path, &field), unknown(message));
    }
    let text =
        expected(message).map_or_else(|| unread(message), |wanted| format!("must be {}", in_json(wanted)));
    FieldError::new(if path == "." { "body" } else { path }, text)
}

/// What serde says that it expected, where its words are about the kind of a value.
fn expected(message: &str) -> Option<&str> {
    const CARRY_VALUES: [&str; 4] = ["invalid type", "invalid value", "invalid length", "unknown variant"];
    CARRY_VALUES.iter().any(|start| message.starts_with(start)).then_some(())?;
    Some(message.rfind("expected ").map_or("", |at| &message[at + 9..]))
}

/// A type of this server in the words of JSON.
fn in_json(wanted: &str) -> Cow<'_, str> {
    let whole = |bits: u32, is_signed: bool| {
        let (least, most) = if is_signed { (-(1_i128 << (bits - 1)), bits - 1) } else { (0, bits) };
        Cow::Owned(format!("a whole number from {least} to {}", (1_i128 << most) - 1))
    };
    match wanted {
        "" => "of another kind".into(),
        "unit" | "null" => "null".into(),
        "bool" | "a boolean" => "true or false".into(),
        "str" | "a borrowed string" | "identifier" | "variant identifier" | "field identifier" => {
            "a string".into()
        }
        "map" | "a map" => "an object".into(),
        "sequence" | "a sequence" => "a list".into(),
        "string or map" => "a string, or an object with one field".into(),
        "u8" => whole(8, false),
        "u16" => whole(16, false),
        "u32" => whole(32, false),
        "u64" | "usize" => whole(64, false),
        "i8" => whole(8, true),
        "i16" => whole(16, true),
        "i32" => whole(32, true),
        "i64" | "isize" => whole(64, true),
        "f32" | "f64" => "a number".into(),
        // By the type's own name.
        other if ["struct ", "internally tagged enum "].iter().any(|kind| other.starts_with(kind)) => {
            "an object".into()
        }
        other if other.starts_with("newtype struct ") => "of another kind".into(),
        other if ["tuple ", "enum "].iter().any(|kind| other.starts_with(kind)) => "of another form".into(),
        other if other.starts_with("unit variant ") => "a string".into(),
        other => other.into(),
    }
}

/// Of a text that is no number, as the reader of queries says it, and of JSON that no value of ours is in; else the words themselves,
/// which are ours.
fn unread(message: &str) -> String {
    let says = |part: &str| message.starts_with(part);
    let words = if ["invalid digit found", "cannot parse integer", "number too "].into_iter().any(says) {
        "must be a whole number, and none that is so large"
    } else if says("provided string was not `true`") {
        "must be true or false"
    } else if says("UUID parsing failed") {
        "must be an id (a UUID)"
    } else if says("number out of range") {
        "must be a number, and none that is so large"
    } else if ["lone leading surrogate", "unexpected end of hex escape", "invalid unicode code point"]
        .into_iter()
        .any(says)
    {
        "must be text: it holds a half of a character"
    } else if ["expected value", "expected `,` or `}`"].into_iter().any(says) {
        "must have one field"
    } else if says("invalid type: ") {
        "is of another kind"
    } else {
        message
    };
    words.to_owned()
}

fn quoted<'a>(message: &'a str, start: &str) -> Option<&'a str> {
    message.strip_prefix(start)?.strip_prefix('`')?.split_once('`').map(|(name, _)| name)
}

fn unknown(message: &str) -> String {
    match message.rfind("expected ") {
        Some(at) => format!("is not known; expected {}", &message[at + 9..]),
        None => "is not known".to_owned(),
    }
}

fn join(path: &str, field: &str) -> String {
    match path {
        "" | "." => field.to_owned(),
        path => format!("{path}.{field}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_token_is_not_told_apart() {
        let said = [
            Unproven::NoToken,
            Unproven::UnknownToken,
            Unproven::FormerSecret,
            Unproven::Expired,
            Unproven::Revoked,
        ];
        assert!(said.iter().all(|reason| unproven(*reason) == unproven(Unproven::UnknownToken)));
    }

    #[test]
    fn a_value_is_never_repeated() {
        for message in [
            "invalid type: string \"hunter2, expected x\", expected a sequence at line 1 column 9",
            "invalid value: integer `31337`, expected a string",
            "unknown variant `hunter2`, expected `environment` or `file`",
        ] {
            let error = field_error("variables[0].value", message);
            assert!(
                !error.message.contains("hunter2") && !error.message.contains("31337"),
                "{}",
                error.message
            );
            assert!(error.message.starts_with("must be "), "{}", error.message);
        }
    }

    #[test]
    fn missing_unknown_and_repeated_fields_are_named() {
        let named = |path, message| field_error(path, message).field;
        assert_eq!(named("variables[1]", "missing field `name` at line 1 column 2"), "variables[1].name");
        assert_eq!(named("colour", "unknown field `colour`, expected `name`"), "colour");
        assert_eq!(named(".", "unknown field `colour`, expected `name`"), "colour");
        assert_eq!(named("a.b", "unknown field `b`, there are no fields"), "a.b");
        assert_eq!(named(".", "duplicate field `name`"), "name");
    }

    #[test]
    fn a_body_of_the_wrong_type_is_the_bodys_fault() {
        let error =
            field_error(".", "invalid type: sequence, expected struct CreateAgent at line 1 column 0");
        assert_eq!((error.field.as_str(), error.message.as_str()), ("body", "must be an object"));
    }

    #[test]
    fn what_is_wanted_is_said_in_words_of_json() {
        let said =
            |expected: &str| field_error("a", &format!("invalid type: null, expected {expected}")).message;
        for (expected, words) in [
            ("u16", "must be a whole number from 0 to 65535"),
            ("i64", "must be a whole number from -9223372036854775808 to 9223372036854775807"),
            ("u64", "must be a whole number from 0 to 18446744073709551615"),
            ("struct ProjectInput", "must be an object"),
            ("unit", "must be null"),
            ("a sequence", "must be a list"),
            ("a boolean", "must be true or false"),
            ("a string", "must be a string"),
            ("string or map", "must be a string, or an object with one field"),
            ("a number of minutes or \"never\"", "must be a number of minutes or \"never\""),
        ] {
            assert_eq!(said(expected), words);
        }
        assert_eq!(
            field_error("limit", "invalid digit found in string").message,
            "must be a whole number, and none that is so large"
        );
    }
}
