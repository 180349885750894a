//! `berth agents …`

mod adopt;
mod allow;
mod check_network;
mod configuration;
mod confirm_loss;
mod create;
mod disallow;
mod get;
mod keep_orphan;
mod list;
mod orphans;
mod remove_orphan;
mod reset_epoch;
mod revoke;
mod rotate_token;
mod whom;

use clap::Subcommand;

use crate::args::Global;
use crate::error::Error;

const CONFIGURATION_HELP: &str = "\
Examples:
  berth agents configuration get berlin > berlin.yaml
  berth agents configuration set berlin -f berlin.yaml";

/// How a token gets into an agent's cluster, be it the first or another: it is read from standard input, since every user of a
/// machine sees the arguments of every process.
const REPLACE_SECRET: &str = "  \
kubectl -n berth-agent create secret generic berth-agent --from-file=token=/dev/stdin \
--dry-run=client -o yaml | kubectl apply -f -";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Register an agent and print its token, once
    Create(create::Args),
    /// List agents
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Show one agent
    #[command(visible_alias = "show")]
    Get(get::Args),
    /// Show or set how an agent's workspaces are made, and how many there may be
    #[command(visible_alias = "config", subcommand_required = true, arg_required_else_help = true)]
    #[command(after_help = CONFIGURATION_HELP)]
    Configuration {
        #[command(subcommand)]
        command: configuration::Command,
    },
    /// Give an agent another token and print it, once
    RotateToken(rotate_token::Args),
    /// Have the order of an agent's reports begin anew
    ResetEpoch(reset_epoch::Args),
    /// Take an agent's token away for good
    Revoke(revoke::Args),
    /// Find out whether the agent's cluster enforces NetworkPolicy
    CheckNetwork(check_network::Args),
    /// Give the workspaces of a revoked agent to another one of its cluster
    Adopt(adopt::Args),
    /// Have an agent take workspaces of a group, or of the whole organization
    Allow(allow::Args),
    /// Take that back
    Disallow(disallow::Args),
    /// Say that missing workspaces are lost for good
    ConfirmLoss(confirm_loss::Args),
    /// List what an agent has and the server does not know
    Orphans(orphans::Args),
    /// Allow that such a workspace is deleted
    RemoveOrphan(remove_orphan::Args),
    /// Take that permission back
    KeepOrphan(keep_orphan::Args),
}

pub(crate) async fn run(global: &Global, command: Command) -> Result<(), Error> {
    match command {
        Command::Create(args) => create::run(global, args).await,
        Command::List(args) => list::run(global, &args).await,
        Command::Get(args) => get::run(global, &args).await,
        Command::Configuration { command } => configuration::run(global, command).await,
        Command::RotateToken(args) => rotate_token::run(global, &args).await,
        Command::ResetEpoch(args) => reset_epoch::run(global, &args).await,
        Command::Revoke(args) => revoke::run(global, &args).await,
        Command::CheckNetwork(args) => check_network::run(global, &args).await,
        Command::Adopt(args) => adopt::run(global, &args).await,
        Command::Allow(args) => allow::run(global, &args).await,
        Command::Disallow(args) => disallow::run(global, &args).await,
        Command::ConfirmLoss(args) => confirm_loss::run(global, &args).await,
        Command::Orphans(args) => orphans::run(global, &args).await,
        Command::RemoveOrphan(args) => remove_orphan::run(global, &args).await,
        Command::KeepOrphan(args) => keep_orphan::run(global, &args).await,
    }
}
