use bulla_base::TenantId;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::error::TenantError;

const DISPLAY_NAME_MAX: usize = 200;

/// What is asked of [`Tenants::create`](super::Tenants::create).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTenant {
    pub id: TenantId,
    /// For people: 1 to 200 bytes, no control characters.
    pub display_name: String,
    /// A name of the IANA time zone database; `UTC` where absent.
    pub time_zone: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Tenant {
    pub id: TenantId,
    pub display_name: String,
    /// As the IANA database writes it.
    pub time_zone: String,
    pub created_by: String,
    /// Milliseconds since 1970 (UTC).
    pub created_ms: i64,
}

impl Tenant {
    /// The rules of the tenant's time zone; UTC where this host's database has lost the name.
    pub fn zone(&self) -> TimeZone {
        TimeZone::get(&self.time_zone).unwrap_or_else(|error| {
            tracing::warn!(tenant = %self.id, %error, "unknown time zone, UTC is used");
            TimeZone::UTC
        })
    }
}

impl NewTenant {
    /// The time zone's proper name, once everything is in order.
    pub(super) fn check(&self) -> Result<String, TenantError> {
        let name = &self.display_name;
        if name.trim().is_empty() || name.len() > DISPLAY_NAME_MAX || name.chars().any(char::is_control) {
            return Err(TenantError::DisplayName);
        }
        let Some(wanted) = &self.time_zone else {
            return Ok("UTC".into());
        };
        let unknown = || TenantError::TimeZone { name: wanted.chars().take(80).collect() };
        let zone = TimeZone::get(wanted).map_err(|_| unknown())?;
        zone.iana_name().map(str::to_owned).ok_or_else(unknown)
    }
}
