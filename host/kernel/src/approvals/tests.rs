use super::*;

const RULES: &str = r#"
scope = "invoice.issue"
expires = "30d"

[[rule]]
name = "large"
when = { fact = "total", decimal = { gt = "10000" } }
approvers = ["subject:ada", "role:cfo"]

[[rule]]
name = "abroad"
when = { all = [
    { fact = "country", text = { not-in = ["DE", "AT"] } },
    { not = { fact = "known", flag = true } },
    { any = [{ fact = "date", date = { from = "2026-01-01", to = "2026-06-30" } }, { fact = "total", decimal = { ge = "500.00" } }] },
] }
approvers = ["role:export"]
effective-from = "2026-03-01"
effective-to = "2026-03-31"
"#;

fn rules(text: &str) -> RuleSet {
    RuleSet { version: 7, document: RuleDocument::from_toml(text).unwrap() }
}

fn day(text: &str) -> Day {
    Day::try_from(text.to_owned()).unwrap()
}

fn facts(total: &str, country: &str) -> Facts {
    Facts::new(vec![
        ("total".into(), Fact::Decimal(total.into())),
        ("country".into(), Fact::Text(country.into())),
        ("known".into(), Fact::Flag(false)),
        ("date".into(), Fact::Date("2026-06-30".into())),
    ])
    .unwrap()
}

fn refusal(text: &str) -> String {
    RuleDocument::from_toml(text).unwrap_err().to_string()
}

fn one_rule(when: &str) -> String {
    format!("scope = \"a\"\n[[rule]]\nname = \"r\"\napprovers = [\"role:cfo\"]\nwhen = {when}\n")
}

#[test]
fn rules_that_apply_are_joined_sorted_and_explained() {
    let verdict = rules(RULES).evaluate(&facts("10000.01", "FR"), day("2026-03-31")).unwrap();
    let approvers: Vec<_> = verdict.approvers.iter().map(ToString::to_string).collect();
    assert_eq!(approvers, ["role:cfo", "role:export", "subject:ada"]);
    assert_eq!(verdict.applied, ["large@7", "abroad@7"]);
    assert_eq!(verdict.rationale[0], "large@7: total 10000.01 gt 10000");
    assert_eq!(
        verdict.rationale[1],
        "abroad@7: (country `FR` not-in [DE, AT] and not known false is true and \
         (date 2026-06-30 from 2026-01-01 to 2026-06-30 or total 10000.01 ge 500.00))"
    );
    let again = rules(RULES).evaluate(&facts("10000.01", "FR"), day("2026-03-31")).unwrap();
    assert_eq!(again, verdict);
    let other = rules(RULES).evaluate(&facts("10000.01", "DE"), day("2026-03-31")).unwrap();
    assert_ne!(other.approver_hash, verdict.approver_hash);
}

#[test]
fn decimals_are_exact_and_the_bound_itself_is_not_above() {
    let required =
        |total: &str| rules(RULES).evaluate(&facts(total, "DE"), day("2026-03-31")).unwrap().required;
    assert!(!required("10000") && !required("10000.000000000000000000000000000000000"));
    // A double, and a decimal of 28 digits, would round this to the bound.
    assert!(required("10000.000000000000000000000000000000001"));
    assert!(!required("-99999") && required("+10001"));
}

#[test]
fn a_rule_out_of_force_neither_applies_nor_asks_for_facts() {
    let only_total = Facts::new(vec![("total".into(), Fact::Decimal("1".into()))]).unwrap();
    for (today, in_force) in
        [("2026-02-28", false), ("2026-03-01", true), ("2026-03-31", true), ("2026-04-01", false)]
    {
        let verdict = rules(RULES).evaluate(&only_total, day(today));
        match verdict {
            Err(ApprovalError::MissingFact { name, .. }) => assert!(in_force && name == "country", "{today}"),
            Ok(verdict) => assert!(!in_force && !verdict.required, "{today}"),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_fact_is_needed_also_where_the_answer_seems_clear() {
    let set = rules(&one_rule(r#"{ any = [{ always = true }, { fact = "late", flag = true }] }"#));
    let none = Facts::new(Vec::new()).unwrap();
    assert!(matches!(set.evaluate(&none, day("2026-03-31")), Err(ApprovalError::MissingFact { .. })));
    let wrong = Facts::new(vec![("late".into(), Fact::Text("yes".into()))]).unwrap();
    let error = set.evaluate(&wrong, day("2026-03-31")).unwrap_err();
    assert_eq!(error.to_string(), "rule `r` needs fact `late` to be a flag");
}

#[test]
fn wrong_rules_are_refused_when_they_are_loaded() {
    let deep = |depth: usize| "{ not = ".repeat(depth - 1) + "{ always = true }" + &" }".repeat(depth - 1);
    RuleDocument::from_toml(&one_rule(&deep(MAX_DEPTH))).unwrap();
    assert!(refusal(&one_rule(&deep(MAX_DEPTH + 1))).contains("depth"));
    for (when, why) in [
        ("{}", "exactly one of"),
        ("{ always = true, fact = \"a\", flag = true }", "exactly one of"),
        ("{ always = false }", "only be `true`"),
        ("{ all = [] }", "at least one part"),
        ("{ all = [{ always = true }], flag = true }", "belongs to a `fact`"),
        ("{ fact = \"a\" }", "exactly one of `decimal`"),
        ("{ fact = \"a\", flag = true, text = { eq = \"b\" } }", "exactly one of `decimal`"),
        ("{ fact = \"A\", flag = true }", "not a fact's name"),
        ("{ fact = \"a\", decimal = {} }", "at least one bound"),
        ("{ fact = \"a\", decimal = { gt = \"1e3\" } }", "not a decimal"),
        ("{ fact = \"a\", decimal = { gt = 1.5 } }", "expected a string"),
        ("{ fact = \"a\", text = {} }", "at least one of `eq`"),
        ("{ fact = \"a\", text = { in = [] } }", "1 to 100"),
        ("{ fact = \"a\", text = { like = \"b\" } }", "unknown field"),
        ("{ fact = \"a\", date = { from = \"2026-02-02\", to = \"2026-02-01\" } }", "after `to`"),
        ("{ fact = \"a\", date = { from = \"2026-02-30\" } }", "not a date"),
        ("{ script = \"total > 3\" }", "unknown field"),
    ] {
        let refused = refusal(&one_rule(when));
        assert!(refused.contains(why), "{when}: {refused}");
    }
}

#[test]
fn a_document_is_bounded_and_has_no_unknown_fields() {
    let rule = |name: &str| {
        format!("[[rule]]\nname = \"{name}\"\nwhen = {{ always = true }}\napprovers = [\"role:a\"]\n")
    };
    let many = |count: usize| {
        "scope = \"a\"\n".to_owned() + &(0..count).map(|n| rule(&format!("r{n}"))).collect::<String>()
    };
    RuleDocument::from_toml(&many(MAX_RULES)).unwrap();
    assert!(refusal(&many(MAX_RULES + 1)).contains("more than 100"));
    assert!(refusal(&format!("scope = \"a\"\n{}{}", rule("r"), rule("r"))).contains("two rules `r`"));
    assert!(refusal("scope = \"a\"\nlevel = 1\n").contains("unknown field"));
    assert!(refusal("scope = \"a\"\nexpires = \"0s\"\n").contains("expires"));
    assert!(refusal(&one_rule("{ always = true }").replace("role:cfo", "cfo")).contains("not an approver"));
    assert!(refusal(&one_rule("{ always = true }").replace("\"role:cfo\"", "")).contains("0 approvers"));
    let backwards =
        one_rule("{ always = true }") + "effective-from = \"2026-02-02\"\neffective-to = \"2026-02-01\"\n";
    assert!(refusal(&backwards).contains("effective-to"));
    assert!(refusal(&"#".repeat(MAX_DOCUMENT + 1)).contains("bytes"));
}

#[test]
fn a_document_reads_back_from_its_json() {
    let document = RuleDocument::from_toml(RULES).unwrap();
    let json = serde_json::to_string(&document).unwrap();
    assert_eq!(RuleDocument::from_json(&json).unwrap(), document);
}

#[test]
fn facts_are_checked_where_they_enter() {
    let fact = |name: &str, fact: Fact| Facts::new(vec![(name.into(), fact)]);
    let decimal = |text: &str| fact("a", Fact::Decimal(text.into()));
    assert!(decimal(&"9".repeat(38)).is_ok() && decimal(&"9".repeat(39)).is_err());
    for wrong in ["", "-", "1.", ".5", "1e5", "1_0", "0x1", "NaN", " 1", "1,5", "--1", "+-1"] {
        assert!(decimal(wrong).is_err(), "{wrong:?}");
    }
    for wrong in ["2026-02-29", "2026-1-01", "20260101", "2026-01-01T00:00", "+26-01-01"] {
        assert!(fact("a", Fact::Date(wrong.into())).is_err(), "{wrong:?}");
    }
    assert!(
        fact("a", Fact::Text("x".repeat(1_000))).is_ok() && fact("a", Fact::Text("x".repeat(1_001))).is_err()
    );
    assert!(fact("a", Fact::Text("a\0b".into())).is_err());
    assert!(fact("", Fact::Flag(true)).is_err() && fact(&"a".repeat(64), Fact::Flag(true)).is_err());
    let twice = Facts::new(vec![("a".into(), Fact::Flag(true)), ("a".into(), Fact::Flag(false))]);
    assert!(twice.unwrap_err().to_string().contains("twice"));
    let many = |count: usize| Facts::new((0..count).map(|n| (format!("f{n}"), Fact::Flag(true))).collect());
    assert!(many(MAX_FACTS).is_ok());
    assert!(matches!(many(MAX_FACTS + 1), Err(ApprovalError::TooManyFacts { count: 65 })));
    let stored = facts("1.50", "ÅÄÖ");
    assert_eq!(Facts::from_json(&stored.to_json()).unwrap(), stored);
}

#[test]
fn a_long_explanation_is_cut_at_a_character() {
    let set = rules(&one_rule(r#"{ fact = "a", text = { ne = "b" } }"#));
    let long = Facts::new(vec![("a".into(), Fact::Text("ö".repeat(500)))]).unwrap();
    let verdict = set.evaluate(&long, day("2026-03-31")).unwrap();
    assert!(verdict.rationale[0].len() <= 500 && verdict.rationale[0].ends_with('…'));
}
