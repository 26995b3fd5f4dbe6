//! One file a noun, or a verb that needs no noun. Each holds its arguments and what it does.

pub mod addon;
pub mod approval;
pub mod audit;
pub mod build;
pub mod call;
pub mod check;
pub mod compile;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod explain;
pub mod init;
pub mod inspect;
pub mod job;
pub mod key;
pub mod new;
pub mod policy;
pub mod secret;
pub mod sequence;
pub mod serve;
pub mod sign;
pub mod tenant;
pub mod test;
pub mod token;
pub mod trust;

use std::future::Future;

use bulla_base::{Failure, codes};

use crate::args::Command;
use crate::client::Reply;
use crate::context::Context;
use crate::error::CliError;

pub fn run(command: Command, context: &Context) -> Result<(), CliError> {
    match command {
        Command::Init => init::run(context),
        Command::Serve => serve::run(context),
        Command::Doctor(args) => doctor::run(&args, context),
        Command::Demo(args) => demo::run(&args, context),
        Command::Config(verb) => config::run(&verb, context),
        Command::New(args) => new::run(&args, context),
        Command::Build(args) => build::run(&args, context),
        Command::Check(args) => check::run(&args, context),
        Command::Test(args) => test::run(&args, context),
        Command::Sign(args) => sign::run(&args, context),
        Command::Inspect(args) => inspect::run(&args, context),
        Command::Addon(verb) => addon::run(&verb, context),
        Command::Trust(verb) => trust::run(&verb, context),
        Command::Tenant(verb) => tenant::run(&verb, context),
        Command::Token(verb) => token::run(&verb, context),
        Command::Sequence(verb) => sequence::run(&verb, context),
        Command::Approval(verb) => approval::run(&verb, context),
        Command::Secret(verb) => secret::run(&verb, context),
        Command::Key(verb) => key::run(&verb, context),
        Command::Job(verb) => job::run(&verb, context),
        Command::Audit(verb) => audit::run(&verb, context),
        Command::Policy(verb) => policy::run(&verb, context),
        Command::Call(args) => call::run(&args, context),
        Command::Explain(args) => explain::run(&args, context),
    }
}

/// Says that something was done; the server's answer only for `--json`.
fn done(context: &Context, reply: &Reply, said: impl AsRef<str>) -> Result<(), CliError> {
    if context.output.json {
        return context.output.raw(&reply.data);
    }
    context.output.say(said);
    Ok(())
}

/// Runs what is asynchronous: the engine and the server.
fn block_on<T>(future: impl Future<Output = T>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime {
        Ok(runtime) => Ok(runtime.block_on(future)),
        Err(error) => Err(Failure::new(codes::INTERNAL, format!("no threads to run on: {error}")).into()),
    }
}
