use bulla_base::{AddonName, Bytes, Fuel, Limits, Millis, PartialLimits, Rate};
use bulla_kernel::ports::LimitSource;

use super::*;
use crate::quotas::QuotaRules;

const RULES: &str = r#"
default-tier = "standard"

[tier.standard]
fuel = "50M"
deadline = "2s"
rate = "200/s, burst 400"

[tier.large]
fuel = "500M"
memory = "1GiB"

[tenant.acme]
tier = "large"
override.deadline = "5s"
override.fuel = "100M"

[tenant.acme.addon.einvoice]
fuel = "20M"
input = "2MiB"

[tenant.globex]
override.rate = "50/s, burst 900"
override.deadline = "9s"
"#;

fn rules() -> QuotaRules {
    QuotaRules::parse(RULES).unwrap()
}

fn addon(text: &str) -> AddonName {
    text.parse().unwrap()
}

#[test]
fn the_least_of_tier_override_and_addon_is_in_force() {
    let (rules, acme) = (rules(), tenant("acme"));
    let whole = rules.limits(&acme, None);
    assert_eq!(
        (whole.fuel, whole.deadline, whole.memory),
        (Some(Fuel(100_000_000)), Some(Millis(5_000)), Some(Bytes(1 << 30)))
    );
    let own = rules.limits(&acme, Some(&addon("einvoice")));
    assert_eq!(
        (own.fuel, own.input, own.deadline),
        (Some(Fuel(20_000_000)), Some(Bytes(2 << 20)), Some(Millis(5_000)))
    );
    assert_eq!(rules.limits(&acme, Some(&addon("other"))), whole);
}

#[test]
fn an_override_does_not_loosen_the_tier() {
    let limits = rules().limits(&tenant("globex"), None);
    assert_eq!(limits.deadline, Some(Millis(2_000)));
    assert_eq!(limits.rate, Some(Rate { per_second: 50, burst: 400 }));
}

#[test]
fn a_tenant_without_lines_has_the_default_tier_and_the_rest_the_hosts_defaults() {
    let limits = rules().limits(&tenant("unheard-of"), None);
    assert_eq!(limits.fuel, Some(Fuel(50_000_000)));
    assert_eq!(limits.memory, Some(Limits::default().memory));
}

#[test]
fn a_manifest_does_not_go_beyond_the_hosts_default() {
    let greedy =
        PartialLimits { host_call: Some(Bytes(1 << 40)), sends: Some(u32::MAX), ..Default::default() };
    let limits = rules().limits(&tenant("acme"), Some(&addon("einvoice"))).least(&greedy).complete();
    assert_eq!((limits.host_call, limits.sends), (Limits::default().host_call, Limits::default().sends));
    let all = rules().explain(&tenant("acme"), &greedy, &addon("einvoice"));
    let sends = all.iter().find(|source| source.limit == "sends").unwrap();
    assert_eq!((sends.value.as_str(), sends.source.as_str()), ("16", "default"));
    assert_eq!(sends.beaten, [format!("manifest: {}", u32::MAX)]);
}

#[test]
fn explain_says_which_line_won_and_which_it_beat() {
    let manifest =
        PartialLimits { fuel: Some(Fuel(30_000_000)), memory: Some(Bytes(8 << 20)), ..Default::default() };
    let all = rules().explain(&tenant("acme"), &manifest, &addon("einvoice"));
    assert_eq!(all.len(), bulla_base::limits::NAMES.len());
    let of = |name: &str| all.iter().find(|source| source.limit == name).cloned().unwrap();
    let beaten = ["tier large: 500M", "tenant acme: 100M", "manifest: 30M"].map(String::from).to_vec();
    assert_eq!(
        of("fuel"),
        LimitSource {
            limit: "fuel".into(),
            value: "20M".into(),
            source: "addon acme/einvoice".into(),
            beaten
        }
    );
    assert_eq!(
        (of("memory").source.as_str(), of("memory").beaten),
        ("manifest", vec!["tier large: 1GiB".to_owned()])
    );
    assert_eq!((of("deadline").source.as_str(), of("deadline").beaten), ("tenant acme", Vec::new()));
    assert_eq!((of("sends").source.as_str(), of("sends").value.as_str()), ("default", "16"));
    let mixed = rules().explain(&tenant("globex"), &PartialLimits::default(), &addon("einvoice"));
    let rate = mixed.iter().find(|source| source.limit == "rate").unwrap();
    assert_eq!(
        (rate.value.as_str(), rate.source.as_str()),
        ("50/s, burst 400", "tier standard and tenant globex")
    );
    assert_eq!(rate.beaten.len(), 2);
}

#[test]
fn explain_and_limits_agree_on_every_limit() {
    let manifest = PartialLimits { deadline: Some(Millis(100)), ..Default::default() };
    for of in ["acme", "globex", "unheard-of"] {
        let in_force = PartialLimits::from(
            rules().limits(&tenant(of), Some(&addon("einvoice"))).least(&manifest).complete(),
        );
        let written: Vec<String> =
            in_force.written().into_iter().map(|(name, value)| format!("{name} {value}")).collect();
        let explained = rules().explain(&tenant(of), &manifest, &addon("einvoice"));
        let explained: Vec<String> =
            explained.iter().map(|line| format!("{} {}", line.limit, line.value)).collect();
        assert_eq!(explained, written);
    }
}

#[test]
fn what_could_not_be_meant_is_refused() {
    let quotas = |error: Option<PolicyError>| matches!(error, Some(PolicyError::Quotas(_)));
    let parse = |text: &str| QuotaRules::parse(text).err();
    for wrong in [
        "",
        "default-tier = \"standard\"",
        "default-tier = \"a\"\n[tier.a]\nfuel = 5",
        "default-tier = \"a\"\n[tier.a]\nfuel = \"5\"\nfule = \"5\"",
        "default-tier = \"a\"\n[tier.a]\nmemory = \"64\"",
        "default-tier = \"a\"\n[tier.a]\n[tenant.Acme]\n",
        "default-tier = \"a\"\n[tier.a]\n[tenant.acme]\noverride.fuel = \"1\"\nfuel = \"1\"",
        "default-tier = \"a\"\n[tier.a]\n[tenant.acme.addon.X]\n",
    ] {
        assert!(quotas(parse(wrong)), "{wrong}: {:?}", parse(wrong));
    }
    let unknown = parse("default-tier = \"b\"\n[tier.a]\n");
    assert!(matches!(unknown, Some(PolicyError::UnknownTier { tier, .. }) if tier == "b"));
    let unknown = parse("default-tier = \"a\"\n[tier.a]\n[tenant.acme]\ntier = \"b\"");
    assert!(matches!(unknown, Some(PolicyError::UnknownTier { place, .. }) if place == "tenant.acme"));
    for limit in ["concurrency = 1", "queue = 1", "rate = \"1/s\"", "storage = \"1B\""] {
        let text = format!("default-tier = \"a\"\n[tier.a]\n[tenant.acme.addon.x]\n{limit}");
        assert!(matches!(parse(&text), Some(PolicyError::TenantLimit { .. })), "{limit}");
    }
}

#[test]
fn every_limit_can_stand_in_a_tier() {
    let all: Vec<String> = PartialLimits::from(Limits::default())
        .written()
        .into_iter()
        .map(|(name, value)| match value.parse::<u32>() {
            Ok(_) if !["fuel"].contains(&name) => format!("{name} = {value}"),
            _ => format!("{name} = \"{value}\""),
        })
        .collect();
    let text = format!("default-tier = \"a\"\n[tier.a]\n{}", all.join("\n"));
    let rules = QuotaRules::parse(&text).unwrap();
    assert_eq!(rules.limits(&tenant("acme"), None).complete(), Limits::default());
}
