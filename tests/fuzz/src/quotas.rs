//! `quotas.toml`: read or refused; what is read gives a limit for every tenant, and says where it comes from.

use bulla_base::PartialLimits;
use bulla_policy::quotas::QuotaRules;

pub const WORDS: &[&str] = &[
    "default-tier = \"a\"\n",
    "[tier.a]\n",
    "fuel = \"50M\"\n",
    "deadline = \"2s\"\n",
    "memory = \"64MiB\"\n",
    "concurrency = 16\n",
    "rate = \"200/s, burst 400\"\n",
    "storage = \"1GiB\"\n",
    "[tenant.acme]\n",
    "tier = \"a\"\n",
    "override.fuel = \"1M\"\n",
    "[tenant.acme.addon.einvoice]\n",
    "handles = ",
    "18446744073709551615",
    "-1",
    "0.5",
];

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let rules = match QuotaRules::parse(text) {
        Ok(rules) => rules,
        Err(error) => {
            assert!(error.to_string().len() <= text.len() * 2 + 2_048, "a refusal that grows: {error}");
            return;
        }
    };
    let addon = "einvoice".parse().unwrap();
    for tenant in ["acme", "nobody"].map(|id| id.parse().unwrap()) {
        let (wide, narrow) = (rules.limits(&tenant, None), rules.limits(&tenant, Some(&addon)));
        // A line for an addon only tightens.
        assert_eq!(narrow.least(&wide), narrow, "{narrow:?} is wider than {wide:?}");
        let sources = rules.explain(&tenant, &PartialLimits::default(), &addon);
        assert!(sources.iter().all(|source| !source.source.is_empty()));
    }
}
