//! The only place that writes to stdout: data there, talk on stderr.

use std::io::{self, IsTerminal as _, Write as _};

use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::CliError;
use crate::exit_codes::Exit;
use crate::table;

/// How answers are written.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// JSON instead of tables.
    pub json: bool,
    /// No talk but errors.
    pub quiet: bool,
}

impl Output {
    /// A list: a table, or the JSON as it is.
    pub fn rows(&self, data: &Value, fields: &[&str]) -> Result<(), CliError> {
        match data.as_array() {
            Some(items) if !self.json => {
                if items.is_empty() {
                    self.say("none");
                    return Ok(());
                }
                self.text(&table::rows(items, fields))
            }
            _ => self.value(data),
        }
    }

    /// One thing: a line a field, or the JSON as it is.
    pub fn record(&self, data: &Value) -> Result<(), CliError> {
        if self.json { self.value(data) } else { self.text(&table::record(data)) }
    }

    /// Text for people, or the JSON behind it.
    pub fn either(&self, data: &Value, text: &str) -> Result<(), CliError> {
        if self.json { self.value(data) } else { self.text(text) }
    }

    /// JSON: indented on a terminal, one line elsewhere.
    pub fn value(&self, data: &Value) -> Result<(), CliError> {
        self.text(&(json_text(data, io::stdout().is_terminal()) + "\n"))
    }

    /// JSON that is nobody's to rewrite: elsewhere than on a terminal its bytes are the server's.
    pub fn raw(&self, data: &RawValue) -> Result<(), CliError> {
        match serde_json::from_str(data.get()) {
            Ok(value) if io::stdout().is_terminal() => self.value(&value),
            _ => self.text(&format!("{}\n", data.get())),
        }
    }

    pub fn text(&self, text: &str) -> Result<(), CliError> {
        self.bytes(text.as_bytes())
    }

    pub fn bytes(&self, bytes: &[u8]) -> Result<(), CliError> {
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(CliError::Stdout)
    }

    /// Talk. It is not worth an error when nobody can hear it.
    pub fn say(&self, text: impl AsRef<str>) {
        if !self.quiet {
            drop(writeln!(io::stderr(), "{}", text.as_ref()));
        }
    }

    /// Tells an error; not that a reader of stdout went away, who has what it wanted.
    pub fn error(&self, error: &CliError) {
        if error.exit() == Exit::Ok {
            return;
        }
        let text = match self.json {
            true => error.to_json().to_string(),
            false => error_text(error),
        };
        drop(writeln!(io::stderr(), "{}", text.trim_end()));
    }
}

fn json_text(data: &Value, indented: bool) -> String {
    let text = if indented { serde_json::to_string_pretty(data) } else { serde_json::to_string(data) };
    text.unwrap_or_else(|_| data.to_string())
}

/// `error[code]: message`, what is wrong in detail, the trace, and at the end what to do.
fn error_text(error: &CliError) -> String {
    let mut text = format!("error[{}]: {}\n", error.code(), lines(&error.to_string()));
    if let Some(details) = error.details() {
        text.push_str(&details_text(details));
    }
    if let Some(internal) = error.internal() {
        text.push_str(&format!("  {}\n", lines(internal)));
    }
    if let Some(trace) = error.trace() {
        text.push_str(&format!("  trace {}\n", table::visible(trace)));
    }
    if let Some(hint) = error.hint() {
        text.push_str(&format!("hint: {}\n", lines(&hint)));
    }
    text
}

/// Line breaks stay, other control characters do not.
fn lines(text: &str) -> String {
    text.lines().map(table::visible).collect::<Vec<_>>().join("\n  ")
}

/// An addon's own code, findings one a line, anything else as indented JSON.
fn details_text(details: &Value) -> String {
    if let (Some(code), Some(inner)) = (details["code"].as_str(), details.get("details")) {
        let inner = if inner.is_null() { String::new() } else { details_text(inner) };
        return format!("  the addon's code is `{}`\n{inner}", table::visible(code));
    }
    let findings = details.get("findings").unwrap_or(details).as_array();
    let known: Option<Vec<String>> = findings.and_then(|all| all.iter().map(finding).collect());
    match known {
        Some(findings) => findings.concat(),
        None => {
            let json = json_text(details, true);
            json.lines().map(|line| format!("  {}\n", table::visible(line))).collect()
        }
    }
}

/// A finding names a rule or a place, and says what is wrong with it.
fn finding(finding: &Value) -> Option<String> {
    let text = |name: &str| finding[name].as_str().filter(|text| !text.is_empty()).map(table::visible);
    let message = text("message")?;
    Some(match (text("rule"), text("at").or_else(|| text("location"))) {
        (Some(rule), Some(place)) => format!("  {rule}: {message}\n    at {place}\n"),
        (Some(rule), None) => format!("  {rule}: {message}\n"),
        (None, Some(place)) => format!("  at {place}: {message}\n"),
        (None, None) => format!("  {message}\n"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Problem;
    use serde_json::json;

    fn problem(details: Value) -> CliError {
        CliError::Refused(Box::new(Problem {
            code: "invalid-input".into(),
            status: 400,
            title: String::new(),
            detail: "the input does not match".into(),
            trace: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
            retry_after_ms: None,
            details: Some(details),
            hint: None,
        }))
    }

    #[test]
    fn an_error_ends_with_its_hint() {
        let text = error_text(&problem(json!({"findings": [
            {"at": "/total", "message": "1 is not a string"},
            {"rule": "BR-CO-10", "message": "sum\u{7}"},
        ]})));
        assert_eq!(
            text,
            "error[invalid-input]: the input does not match\n  at /total: 1 is not a string\n  \
             BR-CO-10: sum\\u{7}\n  trace 4bf92f3577b34da6a3ce929d0e0e4736\n\
             hint: `bulla explain invalid-input` says more\n"
        );
    }

    #[test]
    fn an_addons_refusal_is_told_with_its_code_and_findings() {
        let text = error_text(&problem(json!({"code": "invalid-invoice", "details": {"findings": [
            {"rule": "BR-CO-10", "message": "1 is not 2", "location": "/Invoice"},
        ]}})));
        assert!(
            text.contains(
                "\n  the addon's code is `invalid-invoice`\n  BR-CO-10: 1 is not 2\n    at /Invoice\n"
            ),
            "{text}"
        );
        let text = error_text(&problem(json!({"code": "order-id-missing", "details": null})));
        assert!(text.contains("`order-id-missing`\n  trace"), "{text}");
    }

    #[test]
    fn details_of_another_shape_are_shown_as_they_are() {
        assert!(error_text(&problem(json!({"order": 1}))).contains("\n    \"order\": 1\n"));
        assert!(error_text(&problem(json!([1]))).contains("\n    1\n"));
    }

    #[test]
    fn an_error_of_this_program_has_one_json_shape() {
        let error = CliError::NoServer { reason: "x".into() }.to_json();
        assert_eq!(error["code"], "server-unreachable");
        assert_eq!(error["detail"], "no server is known: x");
        assert!(error["hint"].as_str().unwrap().contains("bulla serve"));
    }

    #[test]
    fn json_is_one_line_where_nobody_looks() {
        assert_eq!(json_text(&json!({"a": [1]}), false), r#"{"a":[1]}"#);
        assert!(json_text(&json!({"a": [1]}), true).contains('\n'));
    }
}
