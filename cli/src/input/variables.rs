//! Variables on the command line, as docker has them: `-e NAME=VALUE`, `-e NAME` for the value of one's own
//! environment, `--env-file FILE`; and `--file NAME=PATH` for files.

use std::collections::BTreeMap;
use std::env::{self, VarError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use berth_schema::api::VariableInput;
use berth_schema::variables::{MAX_COUNT, MAX_TOTAL_BYTES, VariableKind, check_name, check_value};
use zeroize::Zeroizing;

use super::{Source, Stdin};
use crate::error::Error;

/// Flags that give variables.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Variables")]
pub(crate) struct VariableArgs {
    /// An environment variable; NAME alone takes the value of your own environment, which keeps it out of the
    /// process list and the shell's history
    #[arg(short = 'e', long = "env", visible_alias = "variable", value_name = "NAME[=VALUE]")]
    env: Vec<String>,

    /// A file of NAME=VALUE lines ('-': standard input); '#' begins a comment line, quotes are kept
    #[arg(long, value_name = "FILE")]
    env_file: Vec<Source>,

    /// A file to appear in /.berth/variables, of any bytes ('-': standard input)
    #[arg(long, value_name = "NAME=PATH", value_parser = parse_file)]
    file: Vec<(String, Source)>,
}

/// Values by kind and name. A later one replaces an earlier one, so `-e` overrides `--env-file`.
type Values = BTreeMap<(VariableKind, String), Zeroizing<Vec<u8>>>;

impl VariableArgs {
    /// Reads and checks all of them. A message names the flag, never a value.
    pub(crate) fn read(&self, stdin: &mut Stdin) -> Result<Vec<VariableInput>, Error> {
        let mut values = Values::new();
        for source in &self.env_file {
            read_env_file(source, stdin, &mut values)?;
        }
        for text in &self.env {
            add_environment(&mut values, "-e", text)?;
        }
        for (name, source) in &self.file {
            let flag = format!("--file {name}");
            check(&flag, VariableKind::File, name)?;
            let value = source.read(&flag, MAX_TOTAL_BYTES, stdin)?;
            values.insert((VariableKind::File, name.clone()), value);
        }
        let total: usize = values.values().map(|value| value.len()).sum();
        if values.len() > MAX_COUNT {
            let count = values.len();
            return Err(Error::usage(format!(
                "there are {count} variables; at most {MAX_COUNT} are allowed"
            )));
        }
        if total > MAX_TOTAL_BYTES {
            let (total, most) = (total / 1024, MAX_TOTAL_BYTES / 1024);
            return Err(Error::usage(format!(
                "the variables hold {total} KiB together; at most {most} are allowed"
            )));
        }
        values.into_iter().map(|((kind, name), value)| input(kind, name, &value)).collect()
    }
}

fn input(kind: VariableKind, name: String, value: &[u8]) -> Result<VariableInput, Error> {
    check_value(kind, &name, value).map_err(|error| Error::usage(format!("-e {name}: the value {error}")))?;
    let (text, encoded) = match (kind, std::str::from_utf8(value)) {
        (VariableKind::Environment, Ok(text)) => (Some(Zeroizing::new(text.to_owned())), None),
        _ => (None, Some(Zeroizing::new(STANDARD.encode(value)))),
    };
    Ok(VariableInput { name, kind, value: text, value_base64: encoded })
}

/// Takes `NAME=VALUE`, or `NAME` with the value of our own environment.
fn add_environment(values: &mut Values, flag: &str, text: &str) -> Result<(), Error> {
    let (name, given) = match text.split_once('=') {
        Some((name, value)) => (name, Some(Zeroizing::new(value.as_bytes().to_vec()))),
        None => (text, None),
    };
    check(&format!("{flag} {name}"), VariableKind::Environment, name)?;
    let value = match given {
        Some(value) => value,
        None => match env::var(name) {
            Ok(value) => Zeroizing::new(value.into_bytes()),
            Err(VarError::NotPresent) => {
                return Err(Error::Usage {
                    message: format!("{flag} {name}: it is not set in your environment"),
                    hint: Some(format!("export {name} first, or give the value: {name}=VALUE")),
                });
            }
            Err(VarError::NotUnicode(_)) => {
                return Err(Error::usage(format!(
                    "{flag} {name}: the value is not UTF-8; use --file for other bytes"
                )));
            }
        },
    };
    values.insert((VariableKind::Environment, name.to_owned()), value);
    Ok(())
}

fn read_env_file(source: &Source, stdin: &mut Stdin, values: &mut Values) -> Result<(), Error> {
    let text = source.read_text("--env-file", MAX_TOTAL_BYTES, stdin)?;
    // Some editors of Windows begin a file with it; it is of no name.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if !line.is_empty() && !line.starts_with('#') {
            add_environment(values, &format!("{source}:{}:", index + 1), line)?;
        }
    }
    Ok(())
}

fn check(flag: &str, kind: VariableKind, name: &str) -> Result<(), Error> {
    check_name(kind, name).map_err(|error| Error::usage(format!("{flag}: the name {error}")))
}

fn parse_file(text: &str) -> Result<(String, Source), String> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => {
            let Ok(source) = path.parse();
            Ok((name.to_owned(), source))
        }
        _ => Err("must be NAME=PATH, as in --file id_ed25519=/home/me/.ssh/id_ed25519".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(
        env: &[&str],
        env_files: &[Source],
        files: &[(&str, Source)],
    ) -> Result<Vec<VariableInput>, Error> {
        let args = VariableArgs {
            env: env.iter().map(ToString::to_string).collect(),
            env_file: env_files.to_vec(),
            file: files.iter().map(|(name, source)| ((*name).to_owned(), source.clone())).collect(),
        };
        args.read(&mut Stdin::default())
    }

    fn file(content: &[u8]) -> (tempfile::NamedTempFile, Source) {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), content).expect("its content");
        let source = Source::File(file.path().to_owned());
        (file, source)
    }

    #[test]
    fn a_value_is_kept_byte_for_byte() {
        let (_file, path) = file(&[0, 159, 146, 150, b'\n']);
        let given = read(&["A=1=2 'x'\n$(B)", "EMPTY="], &[], &[("blob", path)]).expect("variables");
        let values: Vec<_> = given.iter().map(|v| v.decode().expect("a value").expose().to_vec()).collect();
        assert_eq!(values, [b"1=2 'x'\n$(B)".to_vec(), Vec::new(), vec![0, 159, 146, 150, b'\n']]);
    }

    #[test]
    fn the_command_line_overrides_a_file_of_variables() {
        let (_file, path) = file(b"\xEF\xBB\xBF# comment\r\n\n  A=from file\nB=\"quoted\"\r\n");
        let given = read(&["A=from flag"], &[path], &[]).expect("variables");
        let values: Vec<_> = given.iter().map(|v| v.value.as_ref().map(|text| text.as_str())).collect();
        assert_eq!(values, [Some("from flag"), Some("\"quoted\"")]);
    }

    #[test]
    fn what_is_wrong_is_named_by_its_flag_without_the_value() {
        let (_file, path) = file(b"A=1\n1A=secret\n");
        let place = format!("{path}:2: 1A");
        let long = "x".repeat(MAX_TOTAL_BYTES);
        for (result, says) in [
            (read(&["1A=secret"], &[], &[]), "-e 1A: the name must be letters"),
            (read(&["LD_PRELOAD=secret"], &[], &[]), "-e LD_PRELOAD: the name is reserved"),
            (read(&["=secret"], &[], &[]), "-e : the name must not be empty"),
            (read(&[], &[path], &[]), place.as_str()),
            (
                read(&["BERTH_TEST_NO_SUCH_VARIABLE"], &[], &[]),
                "-e BERTH_TEST_NO_SUCH_VARIABLE: the name is reserved",
            ),
            (read(&["NO_SUCH_VARIABLE_HERE"], &[], &[]), "not set in your environment"),
            (read(&["A=se\0cret"], &[], &[]), "-e A: the value must be UTF-8 text without NUL"),
            (read(&[&format!("A=secret{long}")], &[], &[]), "KiB together"),
            (
                read(&[&format!("A=secret{}", "x".repeat(131_072))], &[], &[]),
                "-e A: the value takes 131081 bytes",
            ),
            (read(&[], &[], &[("a/b", Source::Stdin)]), "--file a/b: the name must be a file name"),
        ] {
            let error = result.expect_err(says).to_string();
            assert!(error.contains(says), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
