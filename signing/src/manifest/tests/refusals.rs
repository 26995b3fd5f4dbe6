//! What a manifest is refused for, field by field.

use super::*;

#[test]
fn an_unknown_field_is_refused_everywhere() {
    for (section, path) in [
        ("", "more"),
        ("[addon]", "addon.more"),
        ("[actions.submit]", "actions.submit.more"),
        ("[actions.submit.budget]", "actions.submit.budget.more"),
        ("[jobs.deliver]", "jobs.deliver.more"),
        ("[jobs.deliver.circuit]", "jobs.deliver.circuit.more"),
        ("[capabilities]", "capabilities.more"),
        ("[capabilities.secrets.receiver_token]", "capabilities.secrets.receiver_token.more"),
        ("[capabilities.keys.einvoice_signing]", "capabilities.keys.einvoice_signing.more"),
        ("[capabilities.wasi]", "capabilities.wasi.more"),
        ("[limits]", "limits.more"),
        ("[suggested]", "suggested.more"),
    ] {
        // Inline tables cannot be extended by a header: the sections are written out.
        let text = FULL
            .replace(
                "budget = { fuel = \"5M\", time = \"200ms\", memory = \"16MiB\" }",
                "[actions.submit.budget]",
            )
            .replace(
                "circuit = { failures = 5, pause = \"1m\" }\nbudget = { fuel = \"1M\" }",
                "[jobs.deliver.circuit]\nfailures = 5\npause = \"1m\"",
            );
        let text = match section {
            "" => format!("more = 1\n{text}"),
            _ => text.replacen(section, &format!("{section}\nmore = 1"), 1),
        };
        let (at, problem) = field(&text);
        assert_eq!(at, path);
        assert!(problem.starts_with("unknown field `more`"), "{problem}");
    }
}

/// What stands in `FULL` => what is put there => the path that is named => a part of the problem.
const WRONG_VALUES: &str = r#"
"einvoice" => "EInvoice" => addon.name => `EInvoice` is not a
"0.1.0-rc.1+b2" => "0.1" => addon.version => `0.1` is not a semantic version
kernel = "0.1" => kernel = "0.01" => addon.kernel => `0.01` is not a kernel line
kernel = "0.1" => kernel = 1 => addon.kernel => invalid type: integer `1`
[actions.submit] => [actions."a/b"] => actions.a/b => `a/b` is not a
"required" => "always" => actions.submit.idempotency => unknown variant `always`
"5M" => "5MB" => actions.submit.budget.fuel => `5MB` is not an amount of fuel
"200ms" => "200" => actions.submit.budget.time => `200` is not a duration
"16MiB" => 16 => actions.submit.budget.memory => invalid type: integer `16`
[jobs.deliver] => [jobs.9] => jobs.9 => `9` is not a
*/5 * * * MON-FRI => */5 * * * => jobs.deliver.schedule => `*/5 * * *` is not a cron expression
"5m" => "soon" => jobs.sweep.every => `soon` is not a duration
"deliver" => "a b" => jobs.deliver.lock-key => `a b` is not a
"bulk" => "slow" => jobs.deliver.fairness => unknown variant `slow`
retries = 3 => retries = -1 => jobs.deliver.retries => `-1`
"2s" => "2" => jobs.deliver.backoff => `2` is not a duration
"1m" => 1 => jobs.deliver.circuit.pause => invalid type: integer `1`
"order" => "Order" => capabilities.sequences[1] => `Order` is not a
"invoice.issue" => ".issue" => capabilities.approvals[0] => `.issue` is not a
secrets.receiver_token => secrets."A" => capabilities.secrets.A => `A` is not a
"delivery" => "a b" => capabilities.secrets.receiver_token.purpose => `a b` is not a
https://receiver.example => https://a.example/ => capabilities.secrets.receiver_token.destinations[0] => `https://a.example/` is not
purpose = "invoice" => # => capabilities.keys.einvoice_signing => missing field `purpose`
wasi:clocks/wall-clock => wasi:io/poll@0.2.0 => capabilities.wasi.imports[0] => `wasi:io/poll@0.2.0` is not
read-only => all => capabilities.wasi.directory => unknown variant `all`
"20M" => "-1" => limits.fuel => `-1` is not an amount of fuel
sends = 3 => sends = "3" => limits.sends => invalid type: string "3"
50/s, burst 100 => 50/min => suggested.rate => `50/min` is not a rate
"#;

#[test]
fn a_wrong_value_is_told_with_its_path() {
    for row in WRONG_VALUES.trim().lines() {
        let [good, wrong, path, part] = row.splitn(4, " => ").collect::<Vec<_>>().try_into().unwrap();
        assert!(FULL.contains(good), "{row}");
        let (at, problem) = field(&FULL.replacen(good, wrong, 1));
        assert_eq!(at, path, "{problem}");
        assert!(problem.contains(part), "{row}: {problem}");
    }
}

#[test]
fn a_missing_field_is_named() {
    for missing in ["name", "version", "description", "kernel"] {
        let (at, problem) = field(&HEAD.replace(&format!("{missing} = "), "# "));
        assert_eq!((at.as_str(), problem), ("addon", format!("missing field `{missing}`")));
    }
    let circuit = field(&FULL.replace("failures = 5, ", ""));
    assert_eq!(circuit, ("jobs.deliver.circuit".into(), "missing field `failures`".into()));
}

#[test]
fn a_version_is_not_endless() {
    let long = format!("0.1.0-{}", "a".repeat(VERSION_MAX));
    let (path, problem) = field(&HEAD.replace("0.1.0", &long));
    assert_eq!(path, "addon.version");
    assert!(problem.contains("longer than 128 bytes"));
}

#[test]
fn the_error_reads_as_one_sentence() {
    let error = with("[jobs.deliver]\nretries = 101").unwrap_err();
    assert_eq!(error.to_string(), "`jobs.deliver.retries`: `101` is not within 0 to 100");
    assert_eq!(error.code(), codes::MANIFEST_INVALID);
}

#[test]
fn another_kernel_line_is_incompatible_before_all_else() {
    let error =
        Manifest::parse(&FULL.replace(r#"kernel = "0.1""#, "kernel = \"0.2\"\nnew-field = 1")).unwrap_err();
    assert_eq!(error, ManifestError::OtherKernel { wanted: "0.2".into(), served: "`0.1`".into() });
    assert_eq!(error.code(), codes::INCOMPATIBLE);
}

#[test]
fn what_is_not_toml_is_told_with_its_line() {
    let line = |text: &str| match Manifest::parse(text) {
        Err(ManifestError::Syntax { line, .. }) => line,
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(line(&format!("{HEAD}name = \n")), 6);
    assert_eq!(line(&format!("{HEAD}name = \"twice\"\n")), 6);
    assert_eq!(line(&format!("{HEAD}[addon]\n")), 6);
    assert_eq!(line(&format!("x = {}", "[".repeat(10_000))), 1);
    assert_eq!(Manifest::parse_bytes(b"\xff"), Err(ManifestError::NotUtf8));
    let large = "#".repeat(MAX_BYTES + 1);
    let refused = Err(ManifestError::TooLarge { size: MAX_BYTES + 1, max: MAX_BYTES });
    assert_eq!(
        (Manifest::parse(&large), Manifest::parse_bytes(large.as_bytes())),
        (refused.clone(), refused)
    );
}

/// Each of them fits the size of a manifest and would be as deep as a stack.
#[test]
fn depth_is_refused_before_it_takes_the_stack() {
    let deep = 100_000;
    for text in [
        format!("a = {}{}", "[".repeat(deep), "]".repeat(deep)),
        format!("a = {}1{}", "{a = ".repeat(deep / 4), "}".repeat(deep / 4)),
        format!("a{} = 1", ".a".repeat(deep)),
        format!("[a{}]", ".a".repeat(deep)),
        format!("[[a{}]]", ".a".repeat(deep)),
    ] {
        let start: String = text.chars().take(12).collect();
        assert!(Manifest::parse(&text).is_err(), "{start}");
    }
}

#[test]
fn a_limit_of_the_tenant_is_no_addons_to_set() {
    for (name, value) in [("concurrency", "1"), ("queue", "1"), ("rate", "\"1/s\""), ("storage", "\"1MiB\"")]
    {
        let error = Manifest::parse(&format!("{HEAD}[limits]\n{name} = {value}\n")).unwrap_err();
        assert_eq!(error, ManifestError::TenantLimit { name });
        assert_eq!(error.code(), codes::MANIFEST_INVALID);
    }
}
