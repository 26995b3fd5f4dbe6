//! What a call used, beside its limits.

use bulla_base::{Bytes, Fuel, Millis};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Metered {
    pub fuel: Fuel,
    pub memory_peak: Bytes,
    pub elapsed: Millis,
    pub host_bytes: Bytes,
    pub log_bytes: Bytes,
    pub limits: MeteredLimits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MeteredLimits {
    pub fuel: Fuel,
    pub memory: Bytes,
    pub deadline: Millis,
    pub host_calls: Bytes,
    pub log: Bytes,
}

impl Metered {
    /// `fuel 1,234,567 of 50,000,000 · memory 3.1 of 64 MiB · time 38 of 2,000 ms`, and what the host carried, where it did.
    pub fn line(&self) -> String {
        let limits = &self.limits;
        let mut parts = vec![
            format!("fuel {} of {}", grouped(self.fuel.get()), grouped(limits.fuel.get())),
            format!("memory {} of {} MiB", mebibytes(self.memory_peak), mebibytes(limits.memory)),
            format!("time {} of {} ms", grouped(self.elapsed.get()), grouped(limits.deadline.get())),
        ];
        if self.host_bytes.get() > 0 {
            parts.push(format!(
                "host calls {} of {} KiB",
                kibibytes(self.host_bytes),
                kibibytes(limits.host_calls)
            ));
        }
        if self.log_bytes.get() > 0 {
            parts.push(format!("log {} of {} KiB", kibibytes(self.log_bytes), kibibytes(limits.log)));
        }
        parts.join(" · ")
    }
}

impl From<&bulla_node::trial::TrialUsage> for Metered {
    fn from(usage: &bulla_node::trial::TrialUsage) -> Self {
        let (used, limits) = (&usage.used, &usage.limits);
        Self {
            fuel: used.fuel,
            memory_peak: used.memory_peak,
            elapsed: used.elapsed,
            host_bytes: used.host_bytes,
            log_bytes: used.log_bytes,
            limits: MeteredLimits {
                fuel: limits.fuel,
                memory: limits.memory,
                deadline: limits.deadline,
                host_calls: limits.host_calls,
                log: limits.log,
            },
        }
    }
}

/// `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn mebibytes(bytes: Bytes) -> String {
    scaled(bytes.get(), 1 << 20)
}

fn kibibytes(bytes: Bytes) -> String {
    scaled(bytes.get(), 1 << 10)
}

/// One decimal, rounded up so that nothing used is never shown as none; whole numbers without.
fn scaled(value: u64, unit: u64) -> String {
    let tenths = (u128::from(value) * 10).div_ceil(u128::from(unit));
    match tenths % 10 {
        0 => grouped(u64::try_from(tenths / 10).unwrap_or(u64::MAX)),
        rest => format!("{}.{rest}", grouped(u64::try_from(tenths / 10).unwrap_or(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_stands_beside_its_limit() {
        let text = r#"{"fuel": "1234567", "memory-peak": "1114112B", "elapsed": "38ms", "host-bytes": "1B",
            "log-bytes": "0B", "limits": {"fuel": "50M", "memory": "64MiB", "deadline": "2s", "host-calls": "16MiB", "log": "64KiB"}}"#;
        let metered: Metered = serde_json::from_str(text).unwrap();
        assert_eq!(
            metered.line(),
            "fuel 1,234,567 of 50,000,000 · memory 1.1 of 64 MiB · time 38 of 2,000 ms · host calls 0.1 of 16,384 KiB"
        );
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(grouped(number), text);
        }
    }
}
