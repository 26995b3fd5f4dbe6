//! `bulla init`.

use serde_json::json;

use super::block_on;
use crate::context::{Context, TOKEN_FILE};
use crate::error::CliError;

/// Creates the data directory. Holds its lock while it does.
pub fn run(context: &Context) -> Result<(), CliError> {
    let config = context.config()?.config;
    let made = block_on(bulla_node::init(&config))??;
    let data = &config.data.directory;
    let token_file = data.join(TOKEN_FILE);
    let mut text: String = made.created.iter().map(|path| format!("created {}\n", path.display())).collect();
    text.push_str(&format!("the operator's token is in {}\n", token_file.display()));
    // The token itself is not printed: a terminal's history and a build's log keep what they see.
    let answer = json!({"data": data, "created": made.created, "operator-token-file": token_file});
    context.output.either(&answer, &text)?;
    context.output.say(format!("next: `bulla --data {} serve`", data.display()));
    Ok(())
}
