//! `bulla call`: an action from the command line.

use bulla_base::{AddonName, EntryName, TenantId, codes};

use crate::client::Request;
use crate::context::Context;
use crate::error::CliError;
use crate::input::{self, FieldFile};

#[derive(Debug, clap::Args)]
pub struct Args {
    tenant: TenantId,
    addon: AddonName,
    action: EntryName,
    /// The input: JSON, `@file`, or `-` for stdin.
    #[arg(long, value_name = "JSON|@FILE|-", default_value = "{}")]
    input: String,
    /// Puts a file into a field of the input, in Base64, as the SDK's `Bytes` wants it; may be given again.
    #[arg(long = "bytes", value_name = "FIELD=@FILE")]
    files: Vec<FieldFile>,
    /// Repeating a call with the same key gives the first answer again, and does nothing twice.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

/// The answer goes to stdout as it is; what the call used, to stderr.
pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    let input = input::action_input(&input::text(&args.input)?, &args.files)?;
    let path = ["v1", "tenants", args.tenant.as_str(), "actions", args.addon.as_str(), args.action.as_str()];
    let request =
        Request { body: Some(input), idempotency_key: args.idempotency_key.as_deref(), ..Request::default() };
    let reply = context.client()?.post(&path, request).map_err(|error| hinted(error, &args.tenant))?;
    context.output.raw(&reply.data)?;
    if let Some(usage) = &reply.usage {
        context.output.say(usage.line());
    }
    let replayed = if reply.replayed { " · the stored answer of an earlier call" } else { "" };
    context.output.say(format!("trace {}{replayed}", crate::table::visible(&reply.trace)));
    Ok(())
}

/// An operator runs the host and acts for no tenant: whoever tries is told what to do.
fn hinted(mut error: CliError, tenant: &TenantId) -> CliError {
    if let CliError::Refused(problem) = &mut error
        && problem.code == codes::FORBIDDEN.name
    {
        problem.hint.get_or_insert_with(|| {
            format!("calls need a token of the tenant: `bulla token create SUBJECT --tenant {tenant} --role caller`")
        });
    }
    error
}
