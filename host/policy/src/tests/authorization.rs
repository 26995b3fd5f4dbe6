use std::collections::BTreeSet;
use std::str::FromStr;

use cedar_policy::Schema;

use super::*;

#[test]
fn actions_and_operations_are_one_to_one() {
    let dir = defaults();
    let schema = Schema::from_str(&read(dir.path(), "bulla.cedarschema")).unwrap();
    let actions: BTreeSet<String> =
        schema.actions().map(|action| action.id().unescaped().to_owned()).collect();
    let operations: BTreeSet<String> =
        Operation::ALL.iter().map(|operation| operation.name().to_owned()).collect();
    assert_eq!(actions, operations);
}

#[test]
fn an_operation_without_an_action_and_an_action_without_an_operation_are_refused() {
    let dir = defaults();
    let schema = read(dir.path(), "bulla.cedarschema");
    write(dir.path(), "bulla.cedarschema", &schema.replace("\"host:diagnose\", ", ""));
    // The policy that names the missing action is found first; without it the operation is.
    assert!(
        matches!(PolicySet::load(dir.path()).err(), Some(PolicyError::Policy { file, .. }) if file == "operator.cedar")
    );
    let policy = read(dir.path(), "operator.cedar").replace("Action::\"host:diagnose\", ", "");
    write(dir.path(), "operator.cedar", &policy);
    assert_eq!(PolicySet::load(dir.path()).err(), Some(PolicyError::NoAction("host:diagnose")));
    write(dir.path(), "operator.cedar", &policy);
    write(
        dir.path(),
        "bulla.cedarschema",
        &schema.replace("\"host:diagnose\"", "\"host:diagnose\", \"host:explode\""),
    );
    assert_eq!(PolicySet::load(dir.path()).err(), Some(PolicyError::NoOperation("host:explode".into())));
}

#[test]
fn policies_are_validated_strictly_and_the_file_is_named() {
    let wrong = [
        (
            "permit (principal in Role::\"caller\", action == Action::\"action:cal\", resource);",
            "no such action",
        ),
        ("permit (principal in Group::\"caller\", action, resource);", "no such entity type"),
        (
            "permit (principal, action, resource) when { principal.tenant == resource };",
            "tenant without `has`",
        ),
        (
            "permit (principal, action, resource) when { principal has tenant && principal.tenant == 1 };",
            "types",
        ),
        ("permit (principal, action, resource) when { context.ip == \"::1\" };", "there is no context"),
        ("permit (principal == ?principal, action, resource);", "a template"),
        ("permit (principal, action", "not Cedar"),
    ];
    for (policy, what) in wrong {
        let dir = defaults();
        write(dir.path(), "own.cedar", policy);
        let error = PolicySet::load(dir.path()).err();
        assert!(
            matches!(&error, Some(PolicyError::Policy { file, .. }) if file == "own.cedar"),
            "{what}: {error:?}"
        );
    }
}

#[test]
fn a_policy_of_the_operator_adds_and_forbids() {
    let dir = defaults();
    let acme = tenant("acme");
    let shop = principal("shop", Some("acme"), &["caller"]);
    let asks = |set: &PolicySet, who: &Principal| {
        set.decide(who, Operation::ActionCall, Target::Tenant(&acme)).allowed
    };
    let before = PolicySet::load(dir.path()).unwrap();
    assert!(asks(&before, &shop));
    write(
        dir.path(),
        "own.cedar",
        "forbid (principal == User::\"shop\", action == Action::\"action:call\", resource);",
    );
    let after = PolicySet::load(dir.path()).unwrap();
    assert!(!asks(&after, &shop));
    let same_roles = principal("till", Some("acme"), &["caller"]);
    assert!(asks(&after, &same_roles), "a kept decision counts for its own subject only");
}

#[test]
fn no_policy_opens_another_tenant() {
    let dir = defaults();
    std::fs::remove_file(dir.path().join("tenant-isolation.cedar")).unwrap();
    write(dir.path(), "own.cedar", "permit (principal, action, resource);");
    let set = PolicySet::load(dir.path()).unwrap();
    let (acme, globex) = (tenant("acme"), tenant("globex"));
    let eve = principal("eve", Some("acme"), &["operator", "tenant-admin"]);
    for operation in Operation::ALL.iter().copied() {
        assert!(!set.decide(&eve, operation, Target::Tenant(&globex)).allowed, "{}", operation.name());
        assert!(!set.decide(&eve, operation, Target::Host).allowed, "{}", operation.name());
    }
    assert!(set.decide(&eve, Operation::ActionCall, Target::Tenant(&acme)).allowed);
}

#[test]
fn the_isolation_policy_holds_by_itself() {
    // Asked of Cedar directly, without the host's own rule in front.
    let dir = defaults();
    write(dir.path(), "own.cedar", "permit (principal, action, resource);");
    let policies: cedar_policy::PolicySet = ["own.cedar", "tenant-isolation.cedar"]
        .map(|file| read(dir.path(), file))
        .join("\n")
        .parse()
        .unwrap();
    let uid = |text: &str| text.parse::<cedar_policy::EntityUid>().unwrap();
    let acme = cedar_policy::RestrictedExpression::new_entity_uid(uid("Tenant::\"acme\""));
    let user = cedar_policy::Entity::new(
        uid("User::\"eve\""),
        [("tenant".to_owned(), acme)].into(),
        Default::default(),
    )
    .unwrap();
    let entities = cedar_policy::Entities::from_entities([user], None).unwrap();
    for (resource, wanted) in
        [("Tenant::\"acme\"", true), ("Tenant::\"globex\"", false), ("Host::\"this\"", false)]
    {
        let request = cedar_policy::Request::new(
            uid("User::\"eve\""),
            uid("Action::\"audit:list\""),
            uid(resource),
            cedar_policy::Context::empty(),
            None,
        );
        let answer = cedar_policy::Authorizer::new().is_authorized(&request.unwrap(), &policies, &entities);
        assert_eq!(answer.decision() == cedar_policy::Decision::Allow, wanted, "{resource}");
    }
}

#[test]
fn an_operation_on_the_wrong_kind_of_target_is_denied() {
    let set = PolicySet::embedded().unwrap();
    let olga = principal("olga", None, &["operator"]);
    let acme = tenant("acme");
    assert!(!set.decide(&olga, Operation::AddonEnable, Target::Host).allowed);
    assert!(!set.decide(&olga, Operation::TrustAdd, Target::Tenant(&acme)).allowed);
    assert!(set.decide(&olga, Operation::TrustAdd, Target::Host).allowed);
}
