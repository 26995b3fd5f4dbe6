//! `bulla test`: an addon's cases on the very engine of the server, with its real limits.

use std::fs;
use std::path::{Path, PathBuf};

use bulla_node::trial::{self, TrialAddon, TrialCase, TrialResult};
use serde_json::json;

use super::check::refuse;
use super::{block_on, build};
use crate::context::Context;
use crate::error::CliError;
use crate::metered::Metered;
use crate::progress::Progress;
use crate::project::Project;
use crate::table;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The addon's project.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Run only cases whose name has this in it.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
}

pub fn run(args: &Args, context: &Context) -> Result<(), CliError> {
    let project = Project::open(&args.dir)?;
    let cases = cases(&project.within("tests"), args.filter.as_deref())?;
    let total = cases.len();
    let component = build::fresh(&project, context)?;
    refuse(&project.misfits(&component))?;
    let addon =
        TrialAddon { directory: project.dir.clone(), manifest: project.manifest_bytes.clone(), component };
    let progress = Progress::new(context.output);
    progress.step(format!("verifying and compiling {}", project.manifest.name()));
    let mut results: Vec<TrialResult> = Vec::with_capacity(total);
    let mut unwritten = None;
    let mut sink = |result: &TrialResult| {
        if !context.output.json {
            let written = progress.suspend(|| context.output.text(&result_text(result)));
            unwritten = unwritten.take().or(written.err());
        }
        results.push(result.clone());
    };
    let summary = block_on(trial::run(addon, cases, &mut sink))??;
    drop(progress);
    if let Some(error) = unwritten {
        return Err(error);
    }
    if context.output.json {
        let answer = json!({"passed": summary.passed, "failed": summary.failed, "cases": results});
        context.output.value(&answer)?;
    }
    context.output.say(format!("{} passed, {} failed", summary.passed, summary.failed));
    match summary.failed {
        0 => Ok(()),
        failed => Err(CliError::TestsFailed { failed, total }),
    }
}

/// The cases in `dir`, by name. None at all is an error: a run that tests nothing must not look like one that passed.
fn cases(dir: &Path, filter: Option<&str>) -> Result<Vec<TrialCase>, CliError> {
    let mut files = Vec::new();
    match fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(CliError::file("read", dir)(error)),
        Ok(entries) => {
            for entry in entries {
                files.push(entry.map_err(CliError::file("read", dir))?.path());
            }
        }
    }
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let mut cases = Vec::new();
    for path in files {
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        if filter.is_some_and(|filter| !name.contains(filter)) {
            continue;
        }
        let text = fs::read_to_string(&path).map_err(CliError::file("read", &path))?;
        let json = serde_json::from_str(&text)
            .map_err(|error| CliError::usage(format!("`{}` is not JSON: {error}", path.display())))?;
        cases.push(TrialCase { name, json });
    }
    if cases.is_empty() { Err(CliError::NoCases(dir.to_owned())) } else { Ok(cases) }
}

/// What became of a case, what it used, and where it failed.
fn result_text(result: &TrialResult) -> String {
    let verdict = if result.passed { "ok" } else { "FAILED" };
    let mut text = format!("{verdict:<6}  {}\n", table::visible(&result.name));
    let mut add = |line: &str| text.push_str(&format!("        {}\n", table::visible(line)));
    if let Some(message) = &result.message {
        message.lines().for_each(&mut add);
    }
    for frame in &result.backtrace {
        add(&format!("at {frame}"));
    }
    if let Some(usage) = &result.usage {
        add(&Metered::from(usage).line());
    }
    if !result.passed {
        for line in &result.log {
            add(&format!("log: {line}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_read_by_name_and_none_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(cases(&dir.path().join("absent"), None), Err(CliError::NoCases(_))));
        for (name, text) in [("b.json", "{}"), ("a.json", "{}"), ("notes.md", "x")] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let names = |filter| -> Vec<String> {
            cases(dir.path(), filter).unwrap().into_iter().map(|case| case.name).collect()
        };
        assert_eq!(names(None), ["a", "b"]);
        assert_eq!(names(Some("b")), ["b"]);
        assert!(matches!(cases(dir.path(), Some("c")), Err(CliError::NoCases(_))));
        fs::write(dir.path().join("c.json"), "{").unwrap();
        assert!(matches!(cases(dir.path(), None), Err(CliError::Usage { .. })));
    }

    #[test]
    fn a_failure_tells_where_and_what_was_logged() {
        let mut result = TrialResult {
            name: "place".into(),
            passed: false,
            message: Some("expected ok, got error `trap`".into()),
            usage: None,
            backtrace: vec!["orders::place (src/lib.rs:9)".into()],
            log: vec!["info: x".into()],
        };
        assert_eq!(
            result_text(&result),
            "FAILED  place\n        expected ok, got error `trap`\n        at orders::place (src/lib.rs:9)\n        log: info: x\n"
        );
        (result.passed, result.message, result.backtrace) = (true, None, Vec::new());
        assert_eq!(result_text(&result), "ok      place\n");
    }
}
