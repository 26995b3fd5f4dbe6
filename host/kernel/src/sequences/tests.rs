use jiff::civil::date;

use super::format::{Format, Reset};
use super::model::{Definition, Gaps, Sequence};
use super::*;

fn sequence(format: &str, reset: Reset, zone: &str, fiscal_start: i8) -> Result<Sequence, SequenceError> {
    let definition = Definition {
        format: format.into(),
        reset,
        gaps: Gaps::Gapless,
        time_zone: zone.into(),
        fiscal_start,
    };
    Sequence::new("acme".parse().unwrap(), "invoice".parse().unwrap(), definition)
}

#[test]
fn a_format_that_would_repeat_numbers_is_refused() {
    for (format, reset) in [
        ("INV-{00000}", Reset::Year),
        ("INV-{YYYY}-{00000}", Reset::Month),
        ("INV-{YYYY}-{00000}", Reset::Fiscal),
        ("INV-{YYYY}", Reset::Never),
        ("{000}{000}", Reset::Never),
        ("INV-{0000000000000}", Reset::Never),
        ("INV-{YYYY-{00}", Reset::Never),
        ("INV }{00}", Reset::Never),
        ("INV-{DD}-{00}", Reset::Never),
        ("", Reset::Never),
    ] {
        assert!(matches!(Format::parse(format, reset), Err(SequenceError::Format { .. })), "{format}");
    }
}

#[test]
fn a_number_is_written_by_its_format_and_grows_beyond_it() {
    let format = Format::parse("R{YY}{MM}/{000}-{FY}", Reset::Month).unwrap();
    assert_eq!(format.write(7, date(2026, 3, 31), 4), "R2603/007-2026");
    assert_eq!(format.write(12_345, date(2026, 4, 1), 4), "R2604/12345-2027");
}

#[test]
fn a_year_of_two_digits_stands_for_one_century() {
    let short = sequence("{YY}-{0}", Reset::Year, "UTC", 1).unwrap();
    for fine in ["2000-01-01", "2026-03-31", "2099-12-31"] {
        short.date(fine).unwrap();
    }
    for other in ["1926-03-31", "1999-12-31", "2100-01-01"] {
        assert!(matches!(short.date(other), Err(SequenceError::Century { .. })), "{other}");
        sequence("{YYYY}-{0}", Reset::Year, "UTC", 1).unwrap().date(other).unwrap();
    }
}

#[test]
fn the_period_changes_exactly_at_its_boundary() {
    let period = |sequence: &Sequence, text| sequence.series(sequence.date(text).unwrap()).period;
    let year = sequence("{YYYY}-{0}", Reset::Year, "UTC", 1).unwrap();
    assert_eq!((period(&year, "2026-12-31"), period(&year, "2027-01-01")), ("2026".into(), "2027".into()));
    let month = sequence("{YYYY}{MM}-{0}", Reset::Month, "UTC", 1).unwrap();
    assert_eq!(
        (period(&month, "2026-02-28"), period(&month, "2026-03-01")),
        ("2026-02".into(), "2026-03".into())
    );
    let fiscal = sequence("{FY}-{0}", Reset::Fiscal, "UTC", 4).unwrap();
    assert_eq!(
        (period(&fiscal, "2026-03-31"), period(&fiscal, "2026-04-01")),
        ("FY2026".into(), "FY2027".into())
    );
}

#[test]
fn an_instant_becomes_a_date_in_the_sequences_zone() {
    let tokyo = sequence("{YYYY}-{0}", Reset::Year, "Asia/Tokyo", 1).unwrap();
    assert_eq!(tokyo.date("2026-12-31T15:30:00Z").unwrap(), date(2027, 1, 1));
    assert_eq!(tokyo.date("2026-12-31").unwrap(), date(2026, 12, 31));
    for wrong in ["31.12.2026", "2026-13-01", "2026-12-31T15:30", "", "9999-01-01"] {
        assert!(matches!(tokyo.date(wrong), Err(SequenceError::Date { .. })), "{wrong}");
    }
    assert!(matches!(sequence("{0}", Reset::Never, "Mars/Base", 1), Err(SequenceError::TimeZone { .. })));
    assert!(matches!(
        sequence("{0}", Reset::Never, "UTC", 13),
        Err(SequenceError::FiscalStart { month: 13 })
    ));
}

#[test]
fn a_number_is_bound_once() {
    let mut number = Number {
        reservation: bulla_base::ReservationId::draw(&bulla_base::SeededRng::new(1)),
        key: "invoice".parse().unwrap(),
        period: "2026".into(),
        value: 1,
        text: "INV-2026-00001".into(),
        state: NumberState::Reserved,
        object: None,
        reason: None,
        reserved_ms: 0,
        expires_ms: 1_000,
    };
    let (one, other) = ("invoice/1".parse().unwrap(), "invoice/2".parse().unwrap());
    assert!(matches!(number.clone().commit(&one, 1_000), Err(SequenceError::State { state: "expired", .. })));
    assert!(number.commit(&one, 999).unwrap());
    assert!(!number.commit(&one, 5_000).unwrap(), "the same pair again changes nothing");
    assert!(matches!(number.commit(&other, 5_000), Err(SequenceError::State { .. })));
    assert!(matches!(number.cancel("no"), Err(SequenceError::State { state: "committed", .. })));
}
