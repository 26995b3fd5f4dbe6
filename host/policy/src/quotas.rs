//! Quota tiers: how much a tenant's calls may use.
//!
//! For each limit on its own, the least of these is in force: the addon's manifest, the tenant's tier (or the default tier),
//! the tenant's `override`, the tenant's lines for this addon. No line loosens another: an override can only tighten, and a
//! tenant that needs more is put on a larger tier. What no line of the operator sets has the host's default
//! ([`bulla_base::Limits::default`]): a tier may be above it, a manifest never.

use std::collections::BTreeMap;

use bulla_base::{AddonName, Limits, PartialLimits, TenantId, limits};
use bulla_kernel::ports::LimitSource;
use serde::Deserialize;

use crate::error::PolicyError;

/// Limits of a tenant as a whole: a line under one addon could not be kept.
const OF_THE_TENANT: &[&str] = &["concurrency", "queue", "rate", "storage"];

/// What `quotas.toml` says.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct QuotaRules {
    default_tier: String,
    tier: BTreeMap<String, PartialLimits>,
    #[serde(default)]
    tenant: BTreeMap<TenantId, TenantRules>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct TenantRules {
    tier: Option<String>,
    #[serde(default, rename = "override")]
    overrides: PartialLimits,
    #[serde(default)]
    addon: BTreeMap<AddonName, PartialLimits>,
}

/// Limits, and the line they stand in.
type Line<'a> = (String, &'a PartialLimits);

impl QuotaRules {
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let rules: Self = toml::from_str(text).map_err(|error| PolicyError::Quotas(error.to_string()))?;
        let known = |place: String, tier: &str| match rules.tier.contains_key(tier) {
            true => Ok(()),
            false => Err(PolicyError::UnknownTier { place, tier: tier.into() }),
        };
        known("default-tier".into(), &rules.default_tier)?;
        for (tenant, own) in &rules.tenant {
            if let Some(tier) = &own.tier {
                known(format!("tenant.{tenant}"), tier)?;
            }
            for (addon, lines) in &own.addon {
                let set = lines.written();
                if let Some((limit, _)) = set.into_iter().find(|(name, _)| OF_THE_TENANT.contains(name)) {
                    return Err(PolicyError::TenantLimit {
                        limit,
                        tenant: tenant.to_string(),
                        addon: addon.to_string(),
                    });
                }
            }
        }
        Ok(rules)
    }

    /// The least of the operator's lines, and the host's default where there is none: what a manifest cannot go beyond.
    pub fn limits(&self, tenant: &TenantId, addon: Option<&AddonName>) -> PartialLimits {
        let (tier, own, addon) = self.operators(tenant, addon);
        let mut least = self.tier.get(tier).copied().unwrap_or_default();
        for lines in [own, addon].into_iter().flatten() {
            least = least.least(lines);
        }
        least.over(&Limits::default().into())
    }

    /// For each limit the value in force, the line that won, and those it beat. Of equal lines the most general one wins:
    /// tier, tenant, addon, manifest.
    pub fn explain(
        &self,
        tenant: &TenantId,
        manifest: &PartialLimits,
        addon: &AddonName,
    ) -> Vec<LimitSource> {
        let (tier, own, of_addon) = self.operators(tenant, Some(addon));
        let mut lines: Vec<Line<'_>> = Vec::with_capacity(4);
        lines.extend(self.tier.get(tier).map(|limits| (format!("tier {tier}"), limits)));
        lines.extend(own.map(|limits| (format!("tenant {tenant}"), limits)));
        lines.extend(of_addon.map(|limits| (format!("addon {tenant}/{addon}"), limits)));
        let in_force = self.limits(tenant, Some(addon)).least(manifest);
        limits::NAMES.iter().map(|name| source(name, &in_force, &lines, manifest)).collect()
    }

    fn operators(
        &self,
        tenant: &TenantId,
        addon: Option<&AddonName>,
    ) -> (&str, Option<&PartialLimits>, Option<&PartialLimits>) {
        let own = self.tenant.get(tenant);
        let tier = own.and_then(|own| own.tier.as_ref()).unwrap_or(&self.default_tier);
        let of_addon = own.zip(addon).and_then(|(own, addon)| own.addon.get(addon));
        (tier, own.map(|own| &own.overrides), of_addon)
    }
}

/// `lines` are the operator's.
fn source(name: &str, in_force: &PartialLimits, lines: &[Line<'_>], manifest: &PartialLimits) -> LimitSource {
    let value = written(in_force, name).unwrap_or_default();
    let mut set: Vec<(&str, String)> =
        lines.iter().filter_map(|(line, limits)| Some((line.as_str(), written(limits, name)?))).collect();
    if set.is_empty() {
        set.extend(written(&Limits::default().into(), name).map(|value| ("default", value)));
    }
    set.extend(written(manifest, name).map(|value| ("manifest", value)));
    let winner = set.iter().position(|(_, candidate)| *candidate == value);
    // A rate has two parts, each the least of its own: then no single line says the value.
    let source = match winner {
        Some(at) => set[at].0.to_owned(),
        None => set.iter().map(|(line, _)| *line).collect::<Vec<_>>().join(" and "),
    };
    let beaten = set.iter().enumerate().filter(|(at, _)| Some(*at) != winner);
    let beaten = beaten.map(|(_, (line, value))| format!("{line}: {value}")).collect();
    LimitSource { limit: name.into(), value, source, beaten }
}

/// A limit as it is written; a value has one spelling, so equal texts are equal values.
fn written(limits: &PartialLimits, name: &str) -> Option<String> {
    limits.written().into_iter().find(|(limit, _)| *limit == name).map(|(_, value)| value)
}
