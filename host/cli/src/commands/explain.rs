//! `bulla explain`: the page of an error code, embedded at build.

use bulla_base::codes;
use serde_json::json;

use crate::context::Context;
use crate::error::CliError;

const PAGES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/error_pages.rs"));

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Such as `fuel-exhausted`. Unset: all codes.
    code: Option<String>,
}

pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    let Some(name) = &args.code else {
        let all = codes::ALL
            .iter()
            .map(|code| json!({"code": code.name, "status": code.status, "title": code.title}));
        return context.output.rows(&all.collect(), &["code", "status", "title"]);
    };
    let code = codes::find(name).ok_or_else(|| CliError::Usage {
        message: format!("`{name}` is not an error code"),
        hint: Some("`bulla explain` lists them".into()),
    })?;
    // A code's title is a page of one line.
    let short = format!("# {}\n\n{}\n", code.name, code.title);
    let page = PAGES.iter().find(|(name, _)| *name == code.name).map_or(short.as_str(), |(_, page)| page);
    let answer = json!({"code": code.name, "status": code.status, "title": code.title, "page": page});
    context.output.either(&answer, page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_that_is_embedded_is_of_a_code() {
        assert!(!PAGES.is_empty());
        for (name, page) in PAGES {
            assert!(codes::find(name).is_some(), "{name}");
            assert!(page.starts_with(&format!("# {name}\n")), "{name}");
        }
    }
}
