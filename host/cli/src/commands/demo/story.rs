//! The seven steps, each told as it happens.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::screen::Screen;
use super::stage::{LIMIT, Stage};
use crate::client::{Reply, Request};
use crate::error::CliError;
use crate::metered::grouped;

/// How long the demo waits for what the host does by itself.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(100);

pub fn tell(stage: &Stage, addon: &Path, screen: &mut Screen) -> Result<(), CliError> {
    let story = Story { stage, samples: addon.join("samples") };
    story.installed(screen)?;
    story.validated(screen)?;
    story.issued_at_once(screen)?;
    let waiting = story.approved(screen)?;
    let number = story.numbered(&waiting, screen)?;
    story.signed(&number, screen)?;
    story.delivered(screen)?;
    story.audited(&waiting.trace, screen)?;
    story.metered(screen)
}

struct Story<'a> {
    stage: &'a Stage,
    samples: std::path::PathBuf,
}

/// An invoice that waited for a decision.
struct Waiting {
    approval: String,
    trace: String,
}

impl Story<'_> {
    fn installed(&self, screen: &mut Screen) -> Result<(), CliError> {
        let package = &self.stage.package;
        let publisher = text(&self.stage.installed, "publisher");
        screen.step("installed")?;
        let line = format!(
            "{} {}, signed by {publisher}, verified, compiled and granted in `acme` at {}",
            package.name, package.version, self.stage.url
        );
        screen.tell("installed", &line, self.stage.installed.clone())
    }

    fn validated(&self, screen: &mut Screen) -> Result<(), CliError> {
        screen.step("1 validated")?;
        for (sample, what) in [
            ("standard.xml", "two VAT rates"),
            ("credit-note.xml", "a credit note"),
            ("wrong-totals.xml", "wrong in its totals"),
            ("dtd.xml", "with a DTD"),
        ] {
            let data = self.act("validate", json!({"document": self.document(sample)?}), None)?.value();
            let findings = data["findings"].as_array().cloned().unwrap_or_default();
            let rules: Vec<String> = findings.iter().map(|finding| text(finding, "rule")).collect();
            let verdict =
                if rules.is_empty() { "valid".into() } else { format!("refused: {}", rules.join(", ")) };
            screen.tell("validated", &format!("{sample:<18} {what:<20} {verdict}"), data)?;
        }
        Ok(())
    }

    fn issued_at_once(&self, screen: &mut Screen) -> Result<(), CliError> {
        screen.step("2 approved")?;
        let reply = self.submit("standard.xml", "demo-1")?;
        let data = reply.value();
        let line = format!("standard.xml       below {LIMIT}: issued at once as {}", text(&data, "number"));
        screen.tell("approved", &line, data)?;
        let again = self.submit("standard.xml", "demo-1")?;
        let line = format!(
            "the same Idempotency-Key again: replayed {}, nothing ran",
            text(&again.value(), "number")
        );
        screen.tell("approved", &line, json!({"replayed": again.replayed}))
    }

    fn approved(&self, screen: &mut Screen) -> Result<Waiting, CliError> {
        let reply = self.submit("above-limit.xml", "demo-2")?;
        let data = reply.value();
        let waiting = Waiting { approval: text(&data, "approval"), trace: reply.trace };
        let approvers = data["approvers"].as_array().cloned().unwrap_or_default();
        let names: Vec<&str> = approvers.iter().filter_map(Value::as_str).collect();
        let line = format!("above-limit.xml    above {LIMIT}: waits for {}", names.join(" or "));
        screen.tell("approved", &line, data)?;
        let path = ["v1", "tenants", "acme", "approvals", &waiting.approval, "decision"];
        let answer = json!({"answer": "approve"});
        let refused = self.stage.clerk.post(&path, Request::json(&answer)).err();
        let code = refused.as_ref().map_or("nothing", |error| error.code()).to_owned();
        screen.tell(
            "approved",
            &format!("carla asked for it, and may not decide it: {code}"),
            json!({"code": code}),
        )?;
        // The decision by the command line; over HTTP it is the same resource.
        let status =
            Command::new(std::env::current_exe().map_err(|error| CliError::usage(error.to_string()))?)
                .args(["--server", &self.stage.url, "--token-file"])
                .arg(self.stage.approver_token_file())
                .args(["--json", "--quiet", "approval", "decide", "acme", &waiting.approval, "approve"])
                .output()
                .map_err(|error| CliError::usage(format!("cannot start `bulla`: {error}")))?;
        if !status.status.success() {
            return Err(CliError::usage(String::from_utf8_lossy(&status.stderr).into_owned()));
        }
        screen.tell("approved", "frida (cfo) approves: `bulla approval decide`", json!({"by": "frida"}))?;
        Ok(waiting)
    }

    fn numbered(&self, waiting: &Waiting, screen: &mut Screen) -> Result<Value, CliError> {
        screen.step("3 numbered")?;
        let issued = self.wait_for("the continuation", || {
            let jobs = self.jobs()?;
            let job = jobs.into_iter().find(|job| {
                job["context"]["id"].as_str() == Some(&waiting.approval) && job["state"] == "succeeded"
            });
            let Some(job) = job else { return Ok(None) };
            let path = ["v1", "tenants", "acme", "jobs", job["id"].as_str().unwrap_or_default()];
            Ok(Some(self.stage.operator.get(&path)?.value()["result"].clone()))
        })?;
        let path = ["v1", "tenants", "acme", "sequences", "invoice", "numbers"];
        let numbers = self.stage.operator.get(&path)?.value();
        for number in numbers.as_array().into_iter().flatten().rev() {
            let line =
                format!("{} {} → {}", text(number, "text"), text(number, "state"), text(number, "object"));
            screen.tell("numbered", &line, number.clone())?;
        }
        Ok(issued)
    }

    fn signed(&self, issued: &Value, screen: &mut Screen) -> Result<(), CliError> {
        screen.step("4 signed")?;
        let line = format!(
            "{} with einvoice_signing, version {}, over document {}…",
            text(issued, "algorithm"),
            issued["key-version"],
            &text(issued, "document-sha256").get(..16).unwrap_or_default()
        );
        screen.tell("signed", &line, issued.clone())
    }

    fn delivered(&self, screen: &mut Screen) -> Result<(), CliError> {
        screen.step("5 delivered")?;
        self.wait_for("the deliveries", || {
            let done = |job: &Value| job["entry"] == "deliver" && job["state"] == "succeeded";
            Ok((self.jobs()?.iter().filter(|job| done(job)).count() == 2).then_some(()))
        })?;
        for received in self.stage.received() {
            let token = if received.authorized { "with its token" } else { "without a token" };
            let line = format!("{} {token}, Idempotency-Key {}", received.status, received.idempotency_key);
            screen.tell(
                "delivered",
                &line,
                json!({"status": received.status, "key": received.idempotency_key}),
            )?;
        }
        Ok(())
    }

    fn audited(&self, trace: &str, screen: &mut Screen) -> Result<(), CliError> {
        screen.step(&format!("6 audited under trace {trace}"))?;
        let query = Request::default().query("trace", Some(trace));
        let entries = self.stage.approver.find(&["v1", "tenants", "acme", "audit"], query)?.value();
        let entries = entries["entries"].as_array().cloned().unwrap_or_default();
        let events: Vec<String> = entries.iter().map(|entry| text(&entry["body"], "event")).collect();
        screen.tell("audited", &wrapped(&events), json!(entries))?;
        let verified = self.wait_for("a signed checkpoint over the whole log", || {
            let report = self.stage.approver.get(&["v1", "tenants", "acme", "audit", "verify"])?.value();
            Ok((report["published"] == report["entries"]).then_some(report))
        })?;
        let line = format!(
            "verified: {} entries, {} signed checkpoints, no fault",
            verified["entries"], verified["checkpoints"]
        );
        screen.tell("audited", &line, verified)
    }

    fn metered(&self, screen: &mut Screen) -> Result<(), CliError> {
        screen.step("7 metered")?;
        let sample = self.document("standard.xml")?;
        let reply = self.act("validate", json!({"document": sample}), None)?;
        if let Some(usage) = reply.usage {
            screen.tell("metered", &format!("validate  {}", usage.line()), json!(usage))?;
        }
        let usage = self.wait_for("the counters", || {
            let usage = self.stage.operator.get(&["v1", "tenants", "acme", "usage"])?.value();
            let all = usage.as_array().cloned().unwrap_or_default();
            Ok(all.iter().any(|one| one["entry"] == "deliver").then_some(all))
        })?;
        for one in usage {
            let number = |name: &str| one[name].as_u64().unwrap_or(0);
            let calls = number("calls").max(1);
            let line = format!(
                "{:<9} {} calls · fuel {} each · memory peak {} KiB · {} ms each",
                text(&one, "entry"),
                number("calls"),
                grouped(number("fuel") / calls),
                number("memory-peak") >> 10,
                number("elapsed-ms") / calls,
            );
            screen.tell("metered", &line, one.clone())?;
        }
        Ok(())
    }

    fn document(&self, sample: &str) -> Result<String, CliError> {
        let path = self.samples.join(sample);
        Ok(STANDARD.encode(fs::read(&path).map_err(CliError::file("read", &path))?))
    }

    fn submit(&self, sample: &str, key: &str) -> Result<Reply, CliError> {
        let input = json!({"document": self.document(sample)?, "deliver-to": self.stage.deliver_to()});
        self.act("submit", input, Some(key))
    }

    fn act(&self, action: &str, input: Value, key: Option<&str>) -> Result<Reply, CliError> {
        let request = Request { idempotency_key: key, ..Request::json(&input) };
        self.stage.clerk.post(&["v1", "tenants", "acme", "actions", "einvoice", action], request)
    }

    fn jobs(&self) -> Result<Vec<Value>, CliError> {
        let jobs = self.stage.operator.get(&["v1", "tenants", "acme", "jobs"])?.value();
        Ok(jobs.as_array().cloned().unwrap_or_default())
    }

    fn wait_for<T>(
        &self,
        what: &str,
        mut look: impl FnMut() -> Result<Option<T>, CliError>,
    ) -> Result<T, CliError> {
        for _ in 0..PATIENCE.as_millis() / LOOK.as_millis() {
            if let Some(found) = look()? {
                return Ok(found);
            }
            sleep(LOOK);
        }
        Err(CliError::usage(format!("the demo waited {} s for {what} in vain", PATIENCE.as_secs())))
    }
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

/// Events in lines of a screen's width.
fn wrapped(events: &[String]) -> String {
    let mut lines = vec![String::new()];
    for event in events {
        if let Some(line) = lines.last_mut() {
            if line.len() + event.len() > 90 {
                lines.push(event.clone());
            } else {
                let space = if line.is_empty() { "" } else { " · " };
                line.push_str(&format!("{space}{event}"));
            }
        }
    }
    lines.join("\n  ")
}
