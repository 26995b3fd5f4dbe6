//! The cases beside the policies: who may do exactly what.

use std::path::Path;

use bulla_base::{Role, Subject, TenantId};
use bulla_kernel::ports::{Operation, Principal, Target};
use serde::Deserialize;

use crate::error::PolicyError;
use crate::files::Files;
use crate::set::Rules;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The version of the policies that were checked.
    pub version: String,
    /// Decisions that were asked for: each case asks for every operation.
    pub decisions: usize,
    /// One line a wrong decision.
    pub failures: Vec<String>,
}

/// Loads the policies in `dir` as a server would, and holds them against the cases in `tests/`.
pub fn check(dir: &Path) -> Result<Checked, PolicyError> {
    let files = Files::read(dir)?;
    check_files(&files)
}

pub(crate) fn check_files(files: &Files) -> Result<Checked, PolicyError> {
    let rules = Rules::parse(files)?;
    let mut checked = Checked { version: rules.version.to_string(), decisions: 0, failures: Vec::new() };
    for (file, text) in files.cases() {
        let refused = |reason: String| PolicyError::Case { file: file.to_owned(), reason };
        let cases: Vec<Case> = serde_json::from_str(text).map_err(|error| refused(error.to_string()))?;
        for case in &cases {
            if let Some(name) = case.allowed.iter().find(|name| !is_operation(name)) {
                return Err(refused(format!("`{name}` is no operation of this host")));
            }
            case.run(file, &rules, &mut checked);
        }
    }
    Ok(checked)
}

/// A principal and a target: of all operations exactly `allowed` are allowed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    principal: CasePrincipal,
    target: CaseTarget,
    allowed: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CasePrincipal {
    subject: Subject,
    tenant: Option<TenantId>,
    roles: Vec<Role>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum CaseTarget {
    Host,
    Tenant(TenantId),
}

impl Case {
    fn run(&self, file: &str, rules: &Rules, checked: &mut Checked) {
        let CasePrincipal { subject, tenant, roles } = &self.principal;
        let principal = Principal { subject: subject.clone(), tenant: tenant.clone(), roles: roles.clone() };
        let target = match &self.target {
            CaseTarget::Host => Target::Host,
            CaseTarget::Tenant(tenant) => Target::Tenant(tenant),
        };
        for operation in Operation::ALL.iter().copied() {
            let wanted = self.allowed.iter().any(|name| name == operation.name());
            checked.decisions += 1;
            if rules.authorization.allows(&principal, operation, target) != wanted {
                let should = if wanted { "allowed" } else { "denied" };
                let line = format!("{file}: {}: `{}` should be {should}", self.name, operation.name());
                checked.failures.push(line);
            }
        }
    }
}

fn is_operation(name: &str) -> bool {
    Operation::ALL.iter().any(|operation| operation.name() == name)
}
