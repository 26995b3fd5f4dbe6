use bulla_base::TenantId;

use super::*;

fn new(display_name: &str, time_zone: Option<&str>) -> NewTenant {
    NewTenant {
        id: TenantId::new("acme").unwrap(),
        display_name: display_name.into(),
        time_zone: time_zone.map(str::to_owned),
    }
}

#[test]
fn a_time_zone_is_known_and_gets_its_proper_name() {
    assert_eq!(new("Acme", None).check().unwrap(), "UTC");
    assert_eq!(new("Acme", Some("europe/berlin")).check().unwrap(), "Europe/Berlin");
    for wrong in ["", "Mars/Olympus", "CEST+2", "../etc/passwd"] {
        assert!(matches!(new("Acme", Some(wrong)).check(), Err(TenantError::TimeZone { .. })), "{wrong}");
    }
}

#[test]
fn a_display_name_is_one_short_line() {
    assert!(new("Ä".repeat(100).as_str(), None).check().is_ok());
    for wrong in ["", "  ", "a\nb", "a\0b", &"a".repeat(201)] {
        assert!(matches!(new(wrong, None).check(), Err(TenantError::DisplayName)), "{wrong:?}");
    }
}
