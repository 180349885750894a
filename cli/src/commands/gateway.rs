//! `berth gateway`

use super::code::{Machine, parse_folder};
use super::open;
use crate::args::Global;
use crate::error::Error;
use crate::names::WorkspaceRef;

const HELP: &str = "\
JetBrains Gateway connects by what your OpenSSH knows of workspaces: `berth ssh-config --install`
once. It fills its form with the link and leaves the choice of the IDE to you, unless --ide says
where one is in the workspace already.

Examples:
  berth gateway calm-blue-reef
  berth gateway calm-blue-reef --folder /projects/site
  berth gateway calm-blue-reef --ide /projects/.idea-backend --print";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The workspace's name or id
    #[arg(value_name = "NAME")]
    workspace: WorkspaceRef,

    /// The folder that is opened
    #[arg(long, value_name = "PATH", default_value = "/projects", value_parser = parse_folder)]
    folder: String,

    /// Where the IDE is in the workspace, in place of choosing one
    #[arg(long, value_name = "PATH", value_parser = parse_folder)]
    ide: Option<String>,

    /// Print the link and open nothing
    #[arg(long)]
    print: bool,
}

pub(crate) async fn run(global: &Global, args: &Args) -> Result<(), Error> {
    let machine = Machine::of(global, &args.workspace).await?;
    let link = link(&machine.host, &args.folder, args.ide.as_deref());
    open::show(&machine.session, &link, args.print)
}

/// As the IDE's own backend prints it.
fn link(host: &str, folder: &str, ide: Option<&str>) -> String {
    let mut fields = url::form_urlencoded::Serializer::new(String::new());
    fields.append_pair("type", "ssh").append_pair("host", host).append_pair("port", "22");
    fields.append_pair("user", berth_schema::ssh::USER).append_pair("projectPath", folder);
    if let Some(ide) = ide {
        fields.append_pair("idePath", ide).append_pair("deploy", "false");
    }
    // Behind a '#' a '+' is no space.
    format!("jetbrains-gateway://connect#{}", fields.finish().replace('+', "%20"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_names_the_host_that_openssh_knows_and_each_value_is_one() {
        let plain = link("reef.berth", "/projects", None);
        let expected = "jetbrains-gateway://connect#type=ssh&host=reef.berth&port=22&user=workspace&projectPath=%2Fprojects";
        assert_eq!(plain, expected);
        let hostile = link("reef.berth", "/a b&user=root#+", Some("/opt/idea"));
        let fields = hostile.strip_prefix("jetbrains-gateway://connect#").expect("a link");
        let fields: Vec<_> = fields.split('&').collect();
        let last = ["projectPath=%2Fa%20b%26user%3Droot%23%2B", "idePath=%2Fopt%2Fidea", "deploy=false"];
        assert_eq!(fields[4..], last);
    }
}
