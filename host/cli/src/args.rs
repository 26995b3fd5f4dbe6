//! The command line as a whole. What a noun can do stands with the noun, in `commands/`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use url::Url;

use crate::commands::{
    addon, approval, audit, build, call, check, config, demo, doctor, explain, inspect, job, key, new,
    policy, secret, sequence, sign, tenant, test, token, trust,
};

/// Runs untrusted addons under verification, fuel and audit.
///
/// Data goes to stdout, talk to stderr; the exit codes are named in docs/src/exit-codes.md.
#[derive(Debug, Parser)]
#[command(name = "bulla", version, arg_required_else_help = true, subcommand_required = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// Print the answer as JSON: one line, or indented on a terminal. Errors are JSON too, on stderr.
    #[arg(long, global = true)]
    pub json: bool,
    /// Print nothing on stderr but errors.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// The server's address. Unset: the one that runs on the data directory.
    #[arg(long, global = true, env = "BULLA_SERVER", value_name = "URL")]
    pub server: Option<Url>,
    /// The data directory. Unset: the one of the configuration (`bulla-data` by default).
    #[arg(long, global = true, env = "BULLA_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The configuration file. Unset: `bulla.toml` in the data directory, where there is one.
    #[arg(long, global = true, env = "BULLA_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A file with the API token. Unset: the variable BULLA_TOKEN, else the operator's token of the data directory.
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a data directory: database, master key, default policies, operator's token.
    Init,
    /// Run the server until Ctrl-C or SIGTERM.
    Serve,
    /// Look for what is wrong with this machine, the data directory and the running server.
    Doctor(doctor::Args),
    /// The whole path on this machine: an invoice from submission to delivery.
    Demo(demo::Args),
    /// The configuration in force.
    #[command(subcommand)]
    Config(config::Verb),

    /// Write a new addon project.
    New(new::Args),
    /// Compile an addon to a component with its contract.
    Build(build::Args),
    /// Check that manifest, contract and imports of an addon fit together.
    Check(check::Args),
    /// Run an addon's cases on the real engine with its real limits.
    Test(test::Args),
    /// Pack and sign an addon.
    Sign(sign::Args),
    /// Show what a package says about itself. Verifies nothing.
    Inspect(inspect::Args),

    /// Install addons for a tenant and decide what they may use.
    #[command(subcommand)]
    Addon(addon::Verb),
    /// The publishers whose packages may be installed.
    #[command(subcommand)]
    Trust(trust::Verb),
    /// Tenants.
    #[command(subcommand)]
    Tenant(tenant::Verb),
    /// API tokens.
    #[command(subcommand)]
    Token(token::Verb),
    /// Number sequences of a tenant.
    #[command(subcommand)]
    Sequence(sequence::Verb),
    /// Approvals: what waits, who decides, by which rules.
    #[command(subcommand)]
    Approval(approval::Verb),
    /// Secrets that addons use and never see.
    #[command(subcommand)]
    Secret(secret::Verb),
    /// Signing keys of a tenant.
    #[command(subcommand)]
    Key(key::Verb),
    /// Background jobs.
    #[command(subcommand)]
    Job(job::Verb),
    /// The audit logs: read, verify, export.
    #[command(subcommand)]
    Audit(audit::Verb),
    /// Quotas and authorization.
    #[command(subcommand)]
    Policy(policy::Verb),

    /// Call an action.
    Call(call::Args),
    /// Explain an error code.
    Explain(explain::Args),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_its_line_in_the_manual() {
        let manual = include_str!("../../../docs/src/cli.md");
        let mut missing = Vec::new();
        let root = Cli::command();
        for command in root.get_subcommands() {
            let verbs: Vec<_> = command.get_subcommands().map(|verb| verb.get_name()).collect();
            let names = match verbs.as_slice() {
                [] => vec![format!("`bulla {}", command.get_name())],
                verbs => verbs.iter().map(|verb| format!("`bulla {} {verb}", command.get_name())).collect(),
            };
            missing.extend(names.into_iter().filter(|name| {
                !manual.lines().any(|line| {
                    line.split_once(name.as_str()).is_some_and(|(_, rest)| rest.starts_with([' ', '`']))
                })
            }));
        }
        assert!(missing.is_empty(), "docs/src/cli.md lacks {missing:?}");
    }

    #[test]
    fn no_secret_is_taken_from_the_command_line() {
        let refused = ["bulla", "secret", "set", "acme", "receiver_token", "hunter2hunter2"];
        assert!(Cli::try_parse_from(refused).is_err());
        assert!(Cli::try_parse_from(&refused[..5]).is_ok());
        assert!(Cli::try_parse_from(["bulla", "--token", "bulla_x", "tenant", "list"]).is_err());
    }

    #[test]
    fn names_are_checked_before_a_server_is_asked() {
        for wrong in ["../acme", "Acme", "system"] {
            assert!(Cli::try_parse_from(["bulla", "addon", "list", wrong]).is_err(), "{wrong}");
        }
        assert!(Cli::try_parse_from(["bulla", "audit", "list", "system"]).is_ok());
        assert!(Cli::try_parse_from(["bulla", "--json", "addon", "list", "acme"]).is_ok());
        assert!(Cli::try_parse_from(["bulla", "addon", "list", "acme", "--json"]).is_ok());
    }
}
