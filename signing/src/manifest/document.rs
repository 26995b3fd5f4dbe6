//! From the text of a manifest to the checked model: TOML, then each field by its type, then the rules between fields.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use bulla_base::{AddonName, Alias, EntryName, Millis, PartialLimits, Purpose, Rate, Scope};
use semver::Version;
use serde::{Deserialize, Deserializer, de};

use super::capabilities::{
    Capabilities, DirectoryAccess, KeyRequest, SecretRequest, WasiInterface, WasiRequest,
};
use super::destination::Destination;
use super::options::{ActionOptions, Budget, Circuit, CronText, Fairness, Idempotency, JobOptions, Schedule};
use super::{
    DESCRIPTION_MAX, KERNEL_LINES, KernelLine, LIST_MAX, MAX_BYTES, Manifest, ManifestError, VERSION_MAX,
};

const RETRIES_DEFAULT: u32 = 8;
const RETRIES_MAX: u32 = 100;
const BACKOFF_DEFAULT: Millis = Millis(1_000);
const BACKOFF_MAX: Millis = Millis(3_600_000);
const PERIOD_MIN: Millis = Millis(1_000);
const PERIOD_MAX: Millis = Millis(366 * 86_400_000);
const FAILURES_MAX: u32 = 1_000;

pub(super) fn read(text: &str) -> Result<Manifest, ManifestError> {
    check_size(text.len())?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| ManifestError::Syntax {
        line: error
            .span()
            .map_or(1, |span| 1 + text.as_bytes()[..span.start].iter().filter(|b| **b == b'\n').count()),
        problem: error.message().to_owned(),
    })?;
    check_kernel(&table)?;
    let document: Document = serde_path_to_error::deserialize(table).map_err(|error| {
        ManifestError::Field { path: error.path().to_string(), problem: error.inner().message().to_owned() }
    })?;
    document.manifest()
}

pub(super) fn check_size(size: usize) -> Result<(), ManifestError> {
    if size > MAX_BYTES { Err(ManifestError::TooLarge { size, max: MAX_BYTES }) } else { Ok(()) }
}

/// A manifest for another line may have fields this host does not know: the line is what the author must hear about.
fn check_kernel(table: &toml::Table) -> Result<(), ManifestError> {
    let wanted = table.get("addon").and_then(|addon| addon.get("kernel")).and_then(toml::Value::as_str);
    match wanted.and_then(|text| text.parse::<KernelLine>().ok()) {
        Some(line) if !KERNEL_LINES.contains(&line) => {
            let served: Vec<_> = KERNEL_LINES.iter().map(|line| format!("`{line}`")).collect();
            Err(ManifestError::OtherKernel { wanted: line.to_string(), served: served.join(", ") })
        }
        _ => Ok(()),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Document {
    addon: AddonSection,
    #[serde(default)]
    actions: BTreeMap<EntryName, ActionSection>,
    #[serde(default)]
    jobs: BTreeMap<EntryName, JobSection>,
    #[serde(default)]
    capabilities: CapabilitiesSection,
    #[serde(default)]
    limits: PartialLimits,
    #[serde(default)]
    suggested: SuggestedSection,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct AddonSection {
    name: AddonName,
    #[serde(deserialize_with = "version")]
    version: Version,
    description: String,
    #[serde(deserialize_with = "kernel")]
    kernel: KernelLine,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct ActionSection {
    #[serde(default)]
    idempotency: Idempotency,
    #[serde(default)]
    budget: Budget,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct JobSection {
    schedule: Option<CronText>,
    every: Option<Millis>,
    lock_key: Option<Alias>,
    #[serde(default)]
    fairness: Fairness,
    retries: Option<u32>,
    backoff: Option<Millis>,
    circuit: Option<Circuit>,
    #[serde(default)]
    budget: Budget,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct CapabilitiesSection {
    #[serde(default)]
    sequences: Vec<Alias>,
    #[serde(default)]
    approvals: Vec<Scope>,
    #[serde(default)]
    secrets: BTreeMap<Alias, SecretSection>,
    #[serde(default)]
    keys: BTreeMap<Alias, KeyRequest>,
    #[serde(default)]
    wasi: WasiSection,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct SecretSection {
    purpose: Purpose,
    #[serde(default)]
    destinations: Vec<Destination>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct WasiSection {
    #[serde(default)]
    imports: Vec<WasiInterface>,
    directory: Option<DirectoryAccess>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct SuggestedSection {
    rate: Option<Rate>,
}

fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Version, D::Error> {
    let text = String::deserialize(deserializer)?;
    let cut = || text.chars().take(80).collect::<String>();
    if text.len() > VERSION_MAX {
        return Err(de::Error::custom(format!("`{}` is longer than {VERSION_MAX} bytes", cut())));
    }
    Version::parse(&text)
        .map_err(|error| de::Error::custom(format!("`{}` is not a semantic version: {error}", cut())))
}

fn kernel<'de, D: Deserializer<'de>>(deserializer: D) -> Result<KernelLine, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

impl Document {
    fn manifest(self) -> Result<Manifest, ManifestError> {
        let AddonSection { name, version, description, kernel } = self.addon;
        if description.is_empty()
            || description.len() > DESCRIPTION_MAX
            || description.chars().any(char::is_control)
        {
            let value = description.chars().take(80).collect();
            return Err(out_of_range(
                "addon.description",
                value,
                "1 to 500 bytes without control characters",
            ));
        }
        check_limits(&self.limits)?;
        check_count("actions", self.actions.len())?;
        check_count("jobs", self.jobs.len())?;
        let action = |section: ActionSection| ActionOptions {
            idempotency: section.idempotency,
            budget: section.budget,
        };
        let jobs = self.jobs.into_iter().map(|(name, section)| {
            let options = section.options(name.as_str())?;
            Ok((name, options))
        });
        Ok(Manifest {
            name,
            version,
            description,
            kernel,
            actions: self.actions.into_iter().map(|(name, section)| (name, action(section))).collect(),
            jobs: jobs.collect::<Result<_, _>>()?,
            capabilities: self.capabilities.capabilities()?,
            limits: self.limits,
            suggested_rate: self.suggested.rate,
        })
    }
}

impl JobSection {
    fn options(self, job: &str) -> Result<JobOptions, ManifestError> {
        let path = |field: &str| format!("jobs.{job}.{field}");
        let schedule = match (self.schedule, self.every) {
            (Some(_), Some(_)) => return Err(ManifestError::TwoSchedules { job: job.to_owned() }),
            (Some(cron), None) => Schedule::Cron(cron),
            (None, Some(every)) => Schedule::Every(period(&path("every"), every)?),
            (None, None) => Schedule::OnDemand,
        };
        let retries = self.retries.unwrap_or(RETRIES_DEFAULT);
        if retries > RETRIES_MAX {
            return Err(out_of_range(&path("retries"), retries.to_string(), "0 to 100"));
        }
        let backoff = self.backoff.unwrap_or(BACKOFF_DEFAULT);
        if backoff.0 == 0 || backoff > BACKOFF_MAX {
            return Err(out_of_range(&path("backoff"), backoff.to_string(), "1ms to 1h"));
        }
        if let Some(circuit) = self.circuit {
            if !(1..=FAILURES_MAX).contains(&circuit.failures) {
                return Err(out_of_range(
                    &path("circuit.failures"),
                    circuit.failures.to_string(),
                    "1 to 1000",
                ));
            }
            period(&path("circuit.pause"), circuit.pause)?;
        }
        let Self { lock_key, fairness, circuit, budget, .. } = self;
        Ok(JobOptions { schedule, lock_key, fairness, retries, backoff, circuit, budget })
    }
}

impl CapabilitiesSection {
    fn capabilities(self) -> Result<Capabilities, ManifestError> {
        check_count("capabilities.secrets", self.secrets.len())?;
        check_count("capabilities.keys", self.keys.len())?;
        let secrets = self.secrets.into_iter().map(|(alias, section)| {
            let destinations =
                set(&format!("capabilities.secrets.{alias}.destinations"), section.destinations)?;
            Ok((alias, SecretRequest { purpose: section.purpose, destinations }))
        });
        let WasiSection { imports, directory } = self.wasi;
        Ok(Capabilities {
            sequences: set("capabilities.sequences", self.sequences)?,
            approvals: set("capabilities.approvals", self.approvals)?,
            secrets: secrets.collect::<Result<_, _>>()?,
            keys: self.keys,
            wasi: WasiRequest { imports: set("capabilities.wasi.imports", imports)?, directory },
        })
    }
}

/// A limit of the tenant as a whole is no addon's to set: nobody would keep it.
fn check_limits(limits: &PartialLimits) -> Result<(), ManifestError> {
    const OF_THE_TENANT: &[&str] = &["concurrency", "queue", "rate", "storage"];
    match limits.written().into_iter().find(|(name, _)| OF_THE_TENANT.contains(name)) {
        Some((name, _)) => Err(ManifestError::TenantLimit { name }),
        None => Ok(()),
    }
}

fn period(path: &str, value: Millis) -> Result<Millis, ManifestError> {
    if (PERIOD_MIN..=PERIOD_MAX).contains(&value) {
        Ok(value)
    } else {
        Err(out_of_range(path, value.to_string(), "1s to 366d"))
    }
}

fn set<T: Ord + Display>(path: &str, list: Vec<T>) -> Result<BTreeSet<T>, ManifestError> {
    check_count(path, list.len())?;
    let mut set = BTreeSet::new();
    for item in list {
        if set.contains(&item) {
            return Err(ManifestError::Duplicate { path: path.to_owned(), value: item.to_string() });
        }
        set.insert(item);
    }
    Ok(set)
}

fn check_count(path: &str, count: usize) -> Result<(), ManifestError> {
    if count > LIST_MAX {
        return Err(ManifestError::TooMany { path: path.to_owned(), count, max: LIST_MAX });
    }
    Ok(())
}

fn out_of_range(path: &str, value: String, range: &'static str) -> ManifestError {
    ManifestError::OutOfRange { path: path.to_owned(), value, range }
}
