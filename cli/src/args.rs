//! The command line: its commands and the flags that all of them take.

use std::path::PathBuf;

use berth_schema::ServerUrl;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use zeroize::Zeroize as _;

use crate::commands::{
    agents, audit, auth, code, completion, contexts, cp, devfile, elevations, exec, gateway, git_credentials,
    groups, identity_providers, idle, invitations, login, logout, logs, members, open, organizations, policy,
    port_forward, ports, projects, sessions, ssh, ssh_config, ssh_keys, tokens, variables, workspaces,
};
use crate::error::Error;
use crate::names::OrganizationRef;
use crate::output::escape;
use crate::terminal::Talk;
use crate::token::Token;

/// Cloud development environments on your own Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "berth", version, after_help = crate::exit::HELP, max_term_width = 110)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The workspaces' commands, without the noun: `berth list` is `berth workspaces list`.
    #[command(flatten)]
    Daily(workspaces::Command),
    /// Create, list, start, stop and delete workspaces
    #[command(
        visible_alias = "ws",
        subcommand_required = true,
        arg_required_else_help = true,
        after_help = "Examples:\n  berth workspaces list\n  berth ws create --image debian:13 --wait"
    )]
    Workspaces {
        #[command(subcommand)]
        command: workspaces::Command,
    },
    /// Open a shell in a workspace, or run a command there
    Ssh(ssh::Args),
    /// Run a program in a workspace, with its words as they are
    Exec(exec::Args),
    /// Show what a workspace's containers write, also of one that does not start
    Logs(logs::Args),
    /// Copy files to and from a workspace
    Cp(cp::Args),
    /// Reach ports of a workspace at ports of this machine
    PortForward(port_forward::Args),
    /// The ports of a workspace, and whom they are shared with
    #[command(subcommand_required = true, arg_required_else_help = true)]
    #[command(
        after_help = "Examples:\n  berth ports list calm-blue-reef\n  berth ports open calm-blue-reef 3000\n  berth ports share calm-blue-reef 8080 --whole-organization"
    )]
    Ports {
        #[command(subcommand)]
        command: ports::Command,
    },
    /// Who is connected to a workspace, and an end to it
    #[command(subcommand_required = true, arg_required_else_help = true)]
    #[command(
        after_help = "Examples:\n  berth sessions list calm-blue-reef\n  berth sessions end calm-blue-reef --all"
    )]
    Sessions {
        #[command(subcommand)]
        command: sessions::Command,
    },
    /// Open a workspace's editor, or another port, in a browser
    Open(open::Args),
    /// Open a workspace in VS Code of this machine
    Code(code::Args),
    /// Open a workspace in JetBrains Gateway of this machine
    Gateway(gateway::Args),
    /// Have OpenSSH, and all that uses it, know workspaces as NAME.berth
    SshConfig(ssh_config::Args),
    /// Keys that let you in by plain ssh, on a machine without this program
    #[command(subcommand_required = true, arg_required_else_help = true)]
    #[command(
        after_help = "Examples:\n  berth ssh-keys add ~/.ssh/id_ed25519.pub\n  berth ssh-keys list\n  ssh calm-blue-reef@ssh.workspaces.example.net"
    )]
    SshKeys {
        #[command(subcommand)]
        command: ssh_keys::Command,
    },
    /// Register the agents that run workspaces in clusters
    #[command(subcommand_required = true, arg_required_else_help = true)]
    #[command(after_help = "Examples:\n  berth agents create berlin > berlin.token\n  berth agents list")]
    Agents {
        #[command(subcommand)]
        command: agents::Command,
    },
    /// Variables of the organisation, and where a workspace's come from
    #[command(subcommand_required = true, arg_required_else_help = true)]
    #[command(
        after_help = "Examples:\n  berth variables set -e REGISTRY=registry.example.com\n  berth variables list"
    )]
    Variables {
        #[command(subcommand)]
        command: variables::Command,
    },
    /// How workspaces log in at Git hosts
    #[command(subcommand_required = true, arg_required_else_help = true)]
    #[command(
        after_help = "Examples:\n  berth git-credentials set git.example.com --token-file token.txt\n  berth git-credentials list"
    )]
    GitCredentials {
        #[command(subcommand)]
        command: git_credentials::Command,
    },
    /// After how long workspaces are stopped in which nothing happens
    #[command(subcommand_required = true, arg_required_else_help = true)]
    #[command(
        after_help = "Examples:\n  berth idle set --after 1h --at-most 8h\n  berth idle get --project platform/api"
    )]
    Idle {
        #[command(subcommand)]
        command: idle::Command,
    },
    /// Whom the organisation has people signed in by
    #[command(subcommand_required = true, arg_required_else_help = true)]
    #[command(
        after_help = "Examples:\n  berth identity-providers list\n  berth identity-providers delete sso"
    )]
    IdentityProviders {
        #[command(subcommand)]
        command: identity_providers::Command,
    },
    /// Make, replace and take away the tokens that people and services use
    #[command(subcommand_required = true, arg_required_else_help = true)]
    #[command(
        after_help = "Examples:\n  berth tokens create ci --role developer --expires-in 90d > ci.token\n  berth tokens list"
    )]
    Tokens {
        #[command(subcommand)]
        command: tokens::Command,
    },
    /// The organisations that you belong to
    #[command(subcommand_required = true, arg_required_else_help = true)]
    #[command(after_help = "Examples:\n  berth organizations list")]
    Organizations {
        #[command(subcommand)]
        command: organizations::Command,
    },
    /// What happened in the organisation: who did what, when, and what was denied
    #[command(subcommand_required = true, arg_required_else_help = true)]
    #[command(
        after_help = "Examples:\n  berth audit list\n  berth audit export > audit.jsonl\n  berth audit verify audit.jsonl"
    )]
    Audit {
        #[command(subcommand)]
        command: audit::Command,
    },
    /// Who belongs to the organisation, as what
    #[command(subcommand_required = true, arg_required_else_help = true)]
    #[command(
        after_help = "Examples:\n  berth members list\n  berth members set-role 'Ada Lovelace' maintainer"
    )]
    Members {
        #[command(subcommand)]
        command: members::Command,
    },
    /// Links by which others join the organisation
    #[command(subcommand_required = true, arg_required_else_help = true)]
    #[command(after_help = "Examples:\n  berth invitations create 'Ada Lovelace' --role developer")]
    Invitations {
        #[command(subcommand)]
        command: invitations::Command,
    },
    /// Roles for a time: asked for, decided by somebody else, over by themselves
    #[command(subcommand_required = true, arg_required_else_help = true)]
    #[command(
        after_help = "Examples:\n  berth elevations request maintainer --reason 'a deploy'\n  berth elevations list"
    )]
    Elevations {
        #[command(subcommand)]
        command: elevations::Command,
    },
    /// The organisation's tree of groups
    #[command(subcommand_required = true, arg_required_else_help = true)]
    #[command(after_help = "Examples:\n  berth groups create platform/payments\n  berth groups list")]
    Groups {
        #[command(subcommand)]
        command: groups::Command,
    },
    /// What workspaces are made for: a repository and where it is worked on
    #[command(subcommand_required = true, arg_required_else_help = true)]
    #[command(
        after_help = "Examples:\n  berth projects create platform/api --repository https://git.example/api.git\n  berth projects list"
    )]
    Projects {
        #[command(subcommand)]
        command: projects::Command,
    },
    /// Who may do what: the organisation's rules
    #[command(subcommand_required = true, arg_required_else_help = true)]
    #[command(
        after_help = "Examples:\n  berth policy get > policy.cedar\n  berth policy set -f policy.cedar --dry-run"
    )]
    Policy {
        #[command(subcommand)]
        command: policy::Command,
    },
    /// What you may do
    #[command(subcommand_required = true, arg_required_else_help = true)]
    #[command(after_help = "Examples:\n  berth auth can-i workspace.stop blue-otter --explain")]
    Auth {
        #[command(subcommand)]
        command: auth::Command,
    },
    /// Check what a workspace is made of before it is sent
    #[command(subcommand_required = true, arg_required_else_help = true)]
    #[command(after_help = "Examples:\n  berth devfile lint devfile.yaml")]
    Devfile {
        #[command(subcommand)]
        command: devfile::Command,
    },
    /// Log in to a server
    Login(login::Args),
    /// End a login, or forget a server's token
    Logout(logout::Args),
    /// Show who you are, and where
    Whoami(crate::commands::whoami::Args),
    /// Show and choose the servers you are logged in to
    #[command(subcommand_required = true, arg_required_else_help = true)]
    #[command(after_help = "Examples:\n  berth contexts list\n  berth contexts use work")]
    Contexts {
        #[command(subcommand)]
        command: contexts::Command,
    },
    /// Print a completion script for a shell
    Completion(completion::Args),
    /// Print the version
    #[command(after_help = "Examples:\n  berth version")]
    Version,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    Always,
    Never,
}

/// Flags of every command. Each has its variable of the environment.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The context to use, in place of the current one
    #[arg(long, global = true, value_name = "NAME", env = "BERTH_CONTEXT", hide_env_values = true)]
    pub(crate) context: Option<String>,

    /// The server, in place of the context's
    #[arg(long, global = true, value_name = "URL", env = "BERTH_URL", hide_env_values = true)]
    pub(crate) url: Option<ServerUrl>,

    /// The organisation (name or id), in place of the token's own
    #[arg(long, global = true, value_name = "NAME", env = "BERTH_ORGANIZATION", hide_env_values = true)]
    pub(crate) organization: Option<OrganizationRef>,

    /// Send the token over plain http:// beyond this machine too: everybody on the way can read and use it
    #[arg(long, global = true, env = "BERTH_ALLOW_HTTP", hide_env_values = true)]
    pub(crate) allow_http: bool,

    /// Trust the certificates of this PEM file alone
    #[arg(long, global = true, value_name = "FILE", env = "BERTH_CA_FILE", hide_env_values = true)]
    pub(crate) ca_file: Option<PathBuf>,

    /// The configuration file [default: ~/.config/berth/config.yaml]
    #[arg(long, global = true, value_name = "FILE", env = "BERTH_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,

    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    #[arg(help = "When to use colours: auto, always or never")]
    pub(crate) color: Color,

    /// Tell each request and its time on stderr
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,

    /// BERTH_TOKEN. There is no flag for it: every user of the machine sees the flags of every process.
    #[arg(skip)]
    pub(crate) token: Option<String>,
}

impl Cli {
    /// Reads arguments and environment; ends the process with usage or help where that is what was asked for.
    pub(crate) fn from_process() -> Result<Self, Error> {
        let matches = Self::command().try_get_matches().unwrap_or_else(|error| exit(error));
        let mut cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        cli.global.token = match std::env::var("BERTH_TOKEN") {
            Ok(token) => Some(token).filter(|token| !token.is_empty()),
            Err(std::env::VarError::NotPresent) => None,
            Err(std::env::VarError::NotUnicode(_)) => return Err(Error::usage("BERTH_TOKEN is not a token")),
        };
        // At a login the context is a name to store under.
        if !matches!(cli.command, Command::Login(_)) {
            cli.global.set_environment_aside(&matches);
        }
        Ok(cli)
    }
}

/// Ends with what clap says. It repeats arguments, which a script may have from anywhere: where one of them holds what a terminal
/// obeys or nobody sees, the words are made from arguments in which that is escaped.
#[expect(clippy::needless_pass_by_value, reason = "it is the end of it")]
fn exit(error: clap::Error) -> ! {
    let arguments: Vec<_> = std::env::args_os().collect();
    let escaped: Vec<_> = arguments.iter().map(|argument| escape(&argument.to_string_lossy())).collect();
    if escaped.iter().zip(&arguments).all(|(escaped, given)| given.to_str() == Some(escaped.as_str())) {
        error.exit();
    }
    match Cli::command().try_get_matches_from(escaped) {
        Err(error) => error.exit(),
        Ok(_) => {
            clap::Error::raw(error.kind(), "an argument holds characters that are not allowed there\n").exit()
        }
    }
}

impl Global {
    pub(crate) fn talk(&self) -> Talk {
        Talk::new(self.color, self.verbose)
    }

    /// The token of the environment, if there is one.
    pub(crate) fn environment_token(&self) -> Result<Option<Token>, Error> {
        self.token.clone().map(Token::from_input).transpose()
    }

    /// A context that is named on the command line is meant whole: a URL or token left over in the environment must
    /// not be mixed into it.
    fn set_environment_aside(&mut self, matches: &ArgMatches) {
        if matches.value_source("context") != Some(ValueSource::CommandLine) {
            return;
        }
        let from_environment = |id| matches.value_source(id) == Some(ValueSource::EnvVariable);
        self.token.zeroize();
        self.token = None;
        if from_environment("url") {
            self.url = None;
        }
        if from_environment("organization") {
            self.organization = None;
        }
        if from_environment("ca_file") {
            self.ca_file = None;
        }
    }
}
