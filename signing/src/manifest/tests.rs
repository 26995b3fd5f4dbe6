mod refusals;

use bulla_base::{Bytes, Coded, Fuel, Millis, codes};

use super::*;

const HEAD: &str = r#"[addon]
name = "einvoice"
version = "0.1.0"
description = "Numbers and delivers invoices."
kernel = "0.1"
"#;

/// Every field that there is.
const FULL: &str = r#"[addon]
name = "einvoice"
version = "0.1.0-rc.1+b2"
description = "Numbers and delivers invoices."
kernel = "0.1"
[actions.submit]
idempotency = "required"
budget = { fuel = "5M", time = "200ms", memory = "16MiB" }
[actions.show]
[jobs.deliver]
schedule = "*/5 * * * MON-FRI"
lock-key = "deliver"
fairness = "bulk"
retries = 3
backoff = "2s"
circuit = { failures = 5, pause = "1m" }
budget = { fuel = "1M" }
[jobs.sweep]
every = "5m"
[jobs.once]
[capabilities]
sequences = ["invoice", "order"]
approvals = ["invoice.issue"]
[capabilities.secrets.receiver_token]
purpose = "delivery"
destinations = ["https://receiver.example", "http://127.0.0.1:8080"]
[capabilities.keys.einvoice_signing]
purpose = "invoice"
[capabilities.wasi]
imports = ["wasi:clocks/wall-clock"]
directory = "read-only"
[limits]
fuel = "20M"
sends = 3
[suggested]
rate = "50/s, burst 100"
"#;

fn with(rest: &str) -> Result<Manifest, ManifestError> {
    Manifest::parse(&format!("{HEAD}{rest}"))
}

fn field(text: &str) -> (String, String) {
    match Manifest::parse(text) {
        Err(ManifestError::Field { path, problem }) => (path, problem),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn every_field_is_read() {
    let manifest = Manifest::parse(FULL).unwrap();
    assert_eq!(manifest.name().as_str(), "einvoice");
    assert_eq!(manifest.version().to_string(), "0.1.0-rc.1+b2");
    assert_eq!(manifest.description(), "Numbers and delivers invoices.");
    assert_eq!(manifest.kernel(), KernelLine { major: 0, minor: 1 });

    let submit = manifest.action("submit").unwrap();
    assert_eq!(submit.idempotency(), Idempotency::Required);
    let budget =
        Budget { fuel: Some(Fuel(5_000_000)), time: Some(Millis(200)), memory: Some(Bytes(16 << 20)) };
    assert_eq!(*submit.budget(), budget);
    assert_eq!(manifest.actions().len(), 2);

    let deliver = manifest.job("deliver").unwrap();
    assert_eq!(*deliver.schedule(), Schedule::Cron("*/5 * * * MON-FRI".parse().unwrap()));
    assert_eq!(deliver.lock_key().unwrap().as_str(), "deliver");
    assert_eq!(
        (deliver.fairness(), deliver.retries(), deliver.backoff()),
        (Fairness::Bulk, 3, Millis(2_000))
    );
    assert_eq!(deliver.circuit(), Some(Circuit { failures: 5, pause: Millis(60_000) }));
    assert_eq!(deliver.budget().fuel, Some(Fuel(1_000_000)));
    assert_eq!(*manifest.job("sweep").unwrap().schedule(), Schedule::Every(Millis(300_000)));
    assert_eq!(*manifest.job("once").unwrap().schedule(), Schedule::OnDemand);
    assert_eq!(manifest.jobs().len(), 3);
}

#[test]
fn every_request_is_read() {
    let manifest = Manifest::parse(FULL).unwrap();
    let asked = manifest.capabilities();
    assert!(asked.sequences().contains("invoice") && asked.sequences().contains("order"));
    assert!(asked.approvals().contains("invoice.issue"));
    let secret = &asked.secrets()["receiver_token"];
    assert_eq!(secret.purpose().as_str(), "delivery");
    let destinations: Vec<_> = secret.destinations().iter().map(Destination::to_string).collect();
    assert_eq!(destinations, ["http://127.0.0.1:8080", "https://receiver.example"]);
    assert_eq!(asked.keys()["einvoice_signing"].purpose().as_str(), "invoice");
    assert!(asked.wasi().imports().contains("wasi:clocks/wall-clock"));
    assert_eq!(asked.wasi().directory(), Some(DirectoryAccess::ReadOnly));
    assert_eq!(
        (manifest.limits().fuel, manifest.limits().sends, manifest.limits().memory),
        (Some(Fuel(20_000_000)), Some(3), None)
    );
    assert_eq!(manifest.suggested_rate(), Some(Rate { per_second: 50, burst: 100 }));
}

#[test]
fn what_is_not_written_has_a_default() {
    let manifest = with("[actions.show]\n[jobs.once]").unwrap();
    assert_eq!(*manifest.action("show").unwrap(), ActionOptions::default());
    assert_eq!(manifest.action("show").unwrap().idempotency(), Idempotency::Optional);
    let job = manifest.job("once").unwrap();
    assert_eq!((job.fairness(), job.retries(), job.backoff()), (Fairness::Normal, 8, Millis(1_000)));
    assert_eq!((job.lock_key(), job.circuit(), *job.budget()), (None, None, Budget::default()));
    assert_eq!(*manifest.capabilities(), Capabilities::default());
    assert_eq!((*manifest.limits(), manifest.suggested_rate()), (PartialLimits::default(), None));
    assert_eq!(manifest.job("show"), None);
}

#[test]
fn ranges_are_enforced_at_both_ends() {
    let range = |rest: &str| match with(rest) {
        Ok(_) => None,
        Err(ManifestError::OutOfRange { path, .. }) => Some(path),
        other => panic!("{rest}: {other:?}"),
    };
    let job = |line: &str| range(&format!("[jobs.j]\n{line}"));
    for good in [
        "retries = 0",
        "retries = 100",
        "backoff = \"1ms\"",
        "backoff = \"1h\"",
        "every = \"1s\"",
        "every = \"366d\"",
        "circuit = { failures = 1, pause = \"1s\" }",
        "circuit = { failures = 1000, pause = \"366d\" }",
    ] {
        assert_eq!(job(good), None, "{good}");
    }
    for (wrong, path) in [
        ("retries = 101", "retries"),
        ("backoff = \"0ms\"", "backoff"),
        ("backoff = \"3600001ms\"", "backoff"),
        ("every = \"999ms\"", "every"),
        ("every = \"367d\"", "every"),
        ("circuit = { failures = 0, pause = \"1s\" }", "circuit.failures"),
        ("circuit = { failures = 1001, pause = \"1s\" }", "circuit.failures"),
        ("circuit = { failures = 1, pause = \"0s\" }", "circuit.pause"),
    ] {
        assert_eq!(job(wrong), Some(format!("jobs.j.{path}")), "{wrong}");
    }
    let description = |text: &str| Manifest::parse(&HEAD.replace("Numbers and delivers invoices.", text));
    assert!(description(&"é".repeat(DESCRIPTION_MAX / 2)).is_ok());
    for wrong in ["", &"x".repeat(DESCRIPTION_MAX + 1), "two\\nlines"] {
        let error = description(wrong).unwrap_err();
        assert!(matches!(error, ManifestError::OutOfRange { path, .. } if path == "addon.description"));
    }
}

#[test]
fn a_job_has_one_schedule() {
    let error = with("[jobs.j]\nschedule = \"* * * * *\"\nevery = \"5m\"").unwrap_err();
    assert_eq!(error, ManifestError::TwoSchedules { job: "j".into() });
    for good in ["0 0 1 JAN *", "*/5  1,2 L * 1#2", "? ? ? ? ?"] {
        assert_eq!(good.parse::<CronText>().unwrap().as_str(), good);
    }
    for wrong in [
        "",
        "* * * *",
        "* * * * * *",
        "* * * * *\n",
        "* * * * ;",
        "@daily",
        &format!("* * * * {}", "1".repeat(200)),
    ] {
        assert!(wrong.parse::<CronText>().is_err(), "{wrong}");
    }
}

#[test]
fn lists_are_bounded_and_hold_nothing_twice() {
    let list = |key: &str, items: &[String]| with(&format!("[capabilities]\n{key} = {items:?}"));
    let names = |count: usize| (0..count).map(|i| format!("n{i}")).collect::<Vec<_>>();
    assert_eq!(list("sequences", &names(LIST_MAX)).unwrap().capabilities().sequences().len(), LIST_MAX);
    for key in ["sequences", "approvals"] {
        let path = format!("capabilities.{key}");
        let many = ManifestError::TooMany { path: path.clone(), count: LIST_MAX + 1, max: LIST_MAX };
        assert_eq!(list(key, &names(LIST_MAX + 1)), Err(many));
        let twice = ManifestError::Duplicate { path, value: "n0".into() };
        assert_eq!(list(key, &[names(1), names(1)].concat()), Err(twice));
    }
    let sections = |start: &str, end: &str| {
        names(LIST_MAX + 1).iter().map(|n| format!("[{start}.{n}]{end}")).collect::<String>()
    };
    for (start, end) in [
        ("actions", "\n"),
        ("jobs", "\n"),
        ("capabilities.secrets", "\npurpose = 'p'\n"),
        ("capabilities.keys", "\npurpose = 'p'\n"),
    ] {
        let many = ManifestError::TooMany { path: start.into(), count: LIST_MAX + 1, max: LIST_MAX };
        assert_eq!(with(&sections(start, end)), Err(many));
    }
    // One destination written in two ways is one destination.
    let same = "[capabilities.secrets.s]\npurpose = 'p'\ndestinations = ['https://a.example', 'https://a.example:443']";
    let twice = ManifestError::Duplicate {
        path: "capabilities.secrets.s.destinations".into(),
        value: "https://a.example".into(),
    };
    assert_eq!(with(same), Err(twice));
    let wasi = with("[capabilities.wasi]\nimports = ['wasi:io/poll', 'wasi:io/poll']").unwrap_err();
    assert_eq!(
        wasi,
        ManifestError::Duplicate { path: "capabilities.wasi.imports".into(), value: "wasi:io/poll".into() }
    );
}

#[test]
fn wasi_interfaces_are_written_without_version() {
    for good in
        ["wasi:io/poll", "wasi:clocks/monotonic-clock", "wasi:sockets/ip-name-lookup", "wasi:http/types2"]
    {
        assert_eq!(good.parse::<WasiInterface>().unwrap().as_str(), good);
    }
    for wrong in [
        "wasi:io",
        "wasi:io/",
        "io/poll",
        "wasi:IO/poll",
        "wasi:io/poll/x",
        "wasi:io/*",
        "bulla:kernel/log",
        "wasi:io/-poll",
        "wasi:io/a--b",
    ] {
        assert_eq!(wrong.parse::<WasiInterface>(), Err(InvalidWasiInterface { text: wrong.into() }));
    }
}

#[test]
fn the_serialized_form_shows_every_field() {
    let json = serde_json::to_value(Manifest::parse(FULL).unwrap()).unwrap();
    assert_eq!(json["jobs"]["sweep"]["schedule"], serde_json::json!({"every": "5m"}));
    assert_eq!(json["jobs"]["once"]["schedule"], "on-demand");
    assert_eq!((&json["kernel"], &json["suggested-rate"]), (&"0.1".into(), &"50/s, burst 100".into()));
}

proptest::proptest! {
    #[test]
    fn arbitrary_text_never_panics(text: String, bytes: Vec<u8>) {
        let _ = Manifest::parse(&text);
        let _ = Manifest::parse(&format!("{HEAD}{text}"));
        let _ = Manifest::parse_bytes(&bytes);
        let _ = text.parse::<Destination>();
        let _ = format!("https://{text}").parse::<Destination>();
        let _ = text.parse::<CronText>();
    }

    #[test]
    fn a_destination_reads_back_as_itself(host in "[a-z][a-z0-9-]{0,10}[a-z]\\.example", port: u16, tls: bool) {
        proptest::prop_assume!(port > 0);
        let text = format!("{}://{host}:{port}", if tls { "https" } else { "http" });
        let destination: Destination = text.parse().unwrap();
        proptest::prop_assert_eq!(destination.to_string().parse::<Destination>().unwrap(), destination);
    }
}
