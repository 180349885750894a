//! `berth cp`

use crate::args::Global;
use crate::error::Error;
use crate::names::WorkspaceRef;
use crate::ssh::{self, become_program};

const HELP: &str = "\
A place in a workspace is NAME:PATH; a path without a slash at its beginning is below /projects. A
local path that has a colon is written with a slash before it, as in ./a:b. All places in workspaces
of one call are of the same workspace.

Examples:
  berth cp notes.txt calm-blue-reef:
  berth cp -r calm-blue-reef:/projects/site ./site";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// Folders, with what is in them
    #[arg(long, short)]
    recursive: bool,

    /// Keep times and modes
    #[arg(long, short)]
    preserve: bool,

    /// Start the workspace and wait for it, where it does not run
    #[arg(long)]
    start: bool,

    /// What is copied, and where to
    #[arg(value_name = "PLACE", num_args = 2.., required = true)]
    places: Vec<Place>,
}

/// A file or folder, here or in a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Here(String),
    There(WorkspaceRef, String),
}

impl std::str::FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some((name, path)) if !name.contains('/') && !name.is_empty() => {
                let name = name.parse().map_err(|error| format!("'{name}' is no workspace: {error}"))?;
                Ok(Self::There(name, path.to_owned()))
            }
            _ if text.is_empty() => Err("must not be empty".to_owned()),
            _ => Ok(Self::Here(text.to_owned())),
        }
    }
}

pub(crate) async fn run(global: &Global, args: Args) -> Result<(), Error> {
    let workspace = one(&args.places)?;
    let openssh = ssh::openssh(global, workspace, args.start).await?;
    let mut command = openssh.command("scp");
    command.args(args.recursive.then_some("-r")).args(args.preserve.then_some("-p")).arg("--");
    for place in &args.places {
        command.arg(match place {
            // What begins with a dash, or has a colon, is a path all the same.
            Place::Here(path) if path.starts_with('/') => path.clone(),
            Place::Here(path) => format!("./{path}"),
            Place::There(_, path) => format!("{}:{path}", openssh.host),
        });
    }
    Err(become_program(command))
}

/// The workspace that is copied from or to.
fn one(places: &[Place]) -> Result<&WorkspaceRef, Error> {
    let mut names = places.iter().filter_map(|place| match place {
        Place::There(name, _) => Some(name),
        Place::Here(_) => None,
    });
    let first =
        names.next().ok_or_else(|| Error::usage("one of the places has to be in a workspace: NAME:PATH"))?;
    if names.any(|name| name != first) {
        return Err(Error::usage("all places in workspaces have to be of the same workspace"));
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_after_a_name_means_a_workspace() {
        let there = |name: &str, path: &str| Ok(Place::There(name.parse().expect("a name"), path.to_owned()));
        let here = |path: &str| Ok(Place::Here(path.to_owned()));
        assert_eq!("calm-blue-reef:".parse(), there("calm-blue-reef", ""));
        assert_eq!("a:/x:y".parse(), there("a", "/x:y"));
        assert_eq!("./a:b".parse(), here("./a:b"));
        assert_eq!("/a:b".parse(), here("/a:b"));
        assert_eq!("-r".parse(), here("-r"));
        assert!("Not a name:x".parse::<Place>().is_err());
        assert!("".parse::<Place>().is_err());
    }

    #[test]
    fn one_workspace_is_meant() {
        let places =
            |texts: &[&str]| texts.iter().map(|text| text.parse().expect("a place")).collect::<Vec<Place>>();
        assert_eq!(one(&places(&["x", "a:"])).expect("one").as_str(), "a");
        assert_eq!(one(&places(&["a:x", "a:y", "."])).expect("one").as_str(), "a");
        assert!(one(&places(&["x", "y"])).is_err());
        assert!(one(&places(&["a:x", "b:y"])).is_err());
    }
}
