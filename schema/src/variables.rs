//! Injected variables: their names, kinds and values.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// What all variables of a workspace may hold together: a Kubernetes Secret ends at 1 MiB.
pub const MAX_TOTAL_BYTES: usize = 1024 * 1024;
/// How many variables a workspace may have.
pub const MAX_COUNT: usize = 256;
/// The longest `NAME=value` of an environment, with the NUL behind it: Linux starts no program with a longer one
/// (`MAX_ARG_STRLEN`, 32 pages).
pub const MAX_ENTRY: usize = 32 * 4096;
/// The longest name.
pub const MAX_NAME: usize = 128;

/// How a variable reaches the containers.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum VariableKind {
    /// In the environment of every container.
    #[default]
    Environment,
    /// As a file in [`crate::kubernetes::VARIABLE_FILES_PATH`].
    File,
}

impl VariableKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::File => "file",
        }
    }
}

/// A text that is no kind of variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 'environment' or 'file'")]
pub struct UnknownVariableKind;

impl FromStr for VariableKind {
    type Err = UnknownVariableKind;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Environment, Self::File]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(UnknownVariableKind)
    }
}

impl fmt::Display for VariableKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Bytes that are somebody's secret. They cannot be printed, cloned or serialised by accident, and are wiped on drop.
pub struct SecretValue(Zeroizing<Vec<u8>>);

impl SecretValue {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes themselves. Each call is a place to look at in a review.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Why a variable is refused. No message holds a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VariableError {
    #[error("must not be empty")]
    EmptyName,
    #[error("is longer than {MAX_NAME} characters")]
    NameTooLong,
    #[error("must be letters, digits and '_' and must not start with a digit")]
    EnvironmentName,
    #[error("is reserved: it changes how programs are loaded or what Berth itself sets")]
    ReservedName,
    #[error("must be a file name of letters, digits, '.', '-' and '_', without path parts")]
    FileName,
    #[error("must be UTF-8 text without NUL bytes; use kind 'file' for other bytes")]
    EnvironmentValue,
    #[error(
        "takes {bytes} bytes with its name, and no program starts with more than {MAX_ENTRY} in one variable; use kind 'file'"
    )]
    TooLong { bytes: usize },
}

/// Environment variables that change how programs are loaded or start, before the program has a say. What only Berth's own tools
/// would stumble over (`PORT`, `NODE_OPTIONS`, `PATH`) is kept from those, and is the user's to set.
const RESERVED: &[&str] = &[
    "BASH_ENV",
    "BASH_FUNC",
    "ENV",
    "GCONV_PATH",
    "GLIBC_TUNABLES",
    "IFS",
    "LOCPATH",
    "MALLOC_TRACE",
    "NIS_PATH",
    "NLSPATH",
    "PS4",
    "RESOLV_HOST_CONF",
    "SHELLOPTS",
];
const RESERVED_PREFIXES: &[&str] = &["LD_", "DYLD_", "BERTH_", "KUBERNETES_", "BASH_FUNC_"];
/// What the names of files begin with that a workspace's sshd is given: see [`crate::ssh`].
const RESERVED_FILES: &str = "berth_ssh_";

/// Checks a variable's name for its kind.
pub fn check_name(kind: VariableKind, name: &str) -> Result<(), VariableError> {
    if name.is_empty() {
        return Err(VariableError::EmptyName);
    }
    if name.len() > MAX_NAME {
        return Err(VariableError::NameTooLong);
    }
    match kind {
        VariableKind::Environment => {
            let characters = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            if !characters || name.as_bytes()[0].is_ascii_digit() {
                return Err(VariableError::EnvironmentName);
            }
            let upper = name.to_ascii_uppercase();
            let prefixed = RESERVED_PREFIXES.iter().any(|prefix| upper.starts_with(prefix));
            if prefixed || RESERVED.contains(&upper.as_str()) {
                return Err(VariableError::ReservedName);
            }
        }
        VariableKind::File => {
            let characters =
                name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
            if name.to_ascii_lowercase().starts_with(RESERVED_FILES) {
                return Err(VariableError::ReservedName);
            }
            // `..` begins what Kubernetes keeps for itself in a projected volume (`..data`).
            if !characters || name == "." || name.starts_with("..") {
                return Err(VariableError::FileName);
            }
        }
    }
    Ok(())
}

/// Checks a variable's value for its kind.
pub fn check_value(kind: VariableKind, name: &str, value: &[u8]) -> Result<(), VariableError> {
    // The equals sign and the NUL.
    let bytes = name.len().saturating_add(value.len()).saturating_add(2);
    match kind {
        VariableKind::Environment if value.contains(&0) || std::str::from_utf8(value).is_err() => {
            Err(VariableError::EnvironmentValue)
        }
        VariableKind::Environment if bytes > MAX_ENTRY => Err(VariableError::TooLong { bytes }),
        VariableKind::Environment | VariableKind::File => Ok(()),
    }
}

/// A workspace's variables on their way to its agent: name to bytes, base64 in JSON.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct VariableBundle {
    #[serde(default, serialize_with = "serialize_values", deserialize_with = "deserialize_values")]
    pub environment: BTreeMap<String, SecretValue>,
    #[serde(default, serialize_with = "serialize_values", deserialize_with = "deserialize_values")]
    pub files: BTreeMap<String, SecretValue>,
}

pub(crate) fn serialize_values<S: Serializer>(
    values: &BTreeMap<String, SecretValue>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(
        values.iter().map(|(name, value)| (name, Zeroizing::new(STANDARD.encode(value.expose())))),
    )
}

pub(crate) fn deserialize_values<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, SecretValue>, D::Error> {
    let encoded = BTreeMap::<String, Zeroizing<String>>::deserialize(deserializer)?;
    encoded
        .into_iter()
        .map(|(name, value)| match STANDARD.decode(value.as_bytes()) {
            Ok(bytes) => Ok((name, SecretValue::new(bytes))),
            Err(_) => Err(serde::de::Error::custom(format!("the value of '{name}' is not base64"))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_names_that_would_change_a_program_are_refused() {
        for name in ["LD_PRELOAD", "ld_preload", "BASH_ENV", "BERTH_TOKEN", "SHELLOPTS", "BASH_FUNC_x"] {
            assert_eq!(
                check_name(VariableKind::Environment, name),
                Err(VariableError::ReservedName),
                "{name}"
            );
        }
        for name in ["1A", "A-B", "A B", "É"] {
            assert_eq!(
                check_name(VariableKind::Environment, name),
                Err(VariableError::EnvironmentName),
                "{name}"
            );
        }
        assert_eq!(check_name(VariableKind::Environment, "_A1"), Ok(()));
    }

    #[test]
    fn names_that_only_programs_of_berth_would_stumble_over_are_the_users() {
        let names = "PATH NODE_OPTIONS PYTHONPATH PYTHONSTARTUP PERL5LIB RUBYOPT TMPDIR TZDIR PORT HOME GIT_SSH_COMMAND \
                     GIT_EXEC_PATH CODE_SERVER_HOST VSCODE_IPC_HOOK_CLI PROMPT_COMMAND";
        for name in names.split_whitespace() {
            assert_eq!(check_name(VariableKind::Environment, name), Ok(()), "{name}");
        }
    }

    #[test]
    fn what_no_program_can_be_started_with_is_refused_and_a_byte_less_is_not() {
        let value = vec![b'x'; MAX_ENTRY - "BIG".len() - 2];
        assert_eq!(check_value(VariableKind::Environment, "BIG", &value), Ok(()));
        let longer = [value.as_slice(), b"x"].concat();
        assert_eq!(
            check_value(VariableKind::Environment, "BIG", &longer),
            Err(VariableError::TooLong { bytes: MAX_ENTRY + 1 })
        );
        assert_eq!(check_value(VariableKind::File, "BIG", &longer), Ok(()));
    }

    #[test]
    fn file_names_hold_no_path() {
        for name in ["a/b", "..", ".", "..data", "a\\b", "a b"] {
            assert_eq!(check_name(VariableKind::File, name), Err(VariableError::FileName), "{name}");
        }
        assert_eq!(check_name(VariableKind::File, ".npmrc"), Ok(()));
    }

    #[test]
    fn files_of_berths_own_sshd_are_nobody_elses() {
        for name in crate::ssh::FILES {
            assert_eq!(check_name(VariableKind::File, name), Err(VariableError::ReservedName), "{name}");
        }
        assert_eq!(check_name(VariableKind::File, "ssh_authorized_keys"), Ok(()));
    }

    #[test]
    fn a_bundle_keeps_every_byte_and_prints_none() {
        let all: Vec<u8> = (0..=255).collect();
        let bundle = VariableBundle {
            environment: BTreeMap::new(),
            files: BTreeMap::from([("all".to_owned(), SecretValue::new(all.clone()))]),
        };
        assert!(!format!("{bundle:?}").contains("AAEC"));
        let json = serde_json::to_string(&bundle).expect("a bundle is JSON");
        let back: VariableBundle = serde_json::from_str(&json).expect("and back");
        assert_eq!(back.files["all"].expose(), all);
    }
}
