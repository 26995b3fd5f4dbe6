//! The part of a `Cargo.lock` that one package needs.

use toml::{Table, Value};

/// Keeps `package` and all it depends on, and renames it. `None`: the lock is malformed or has no such package.
pub(crate) fn prune(lock: &str, package: &str, renamed: &str) -> Option<String> {
    let mut lock: Table = lock.parse().ok()?;
    let all: Vec<Table> =
        lock.get("package")?.as_array()?.iter().filter_map(|p| p.as_table().cloned()).collect();
    let mut kept = vec![all.iter().position(|p| is_named(p, package))?];
    let mut next = 0;
    while let Some(&index) = kept.get(next) {
        for wanted in dependencies(&all[index]) {
            let found = all.iter().position(|p| is_meant(p, wanted))?;
            if !kept.contains(&found) {
                kept.push(found);
            }
        }
        next += 1;
    }
    kept.sort_unstable();
    let mut packages: Vec<Table> = kept.into_iter().map(|index| all[index].clone()).collect();
    let root = packages.iter_mut().find(|p| is_named(p, package))?;
    root.insert("name".to_owned(), renamed.into());
    packages.sort_by(|a, b| text(a, "name").cmp(&text(b, "name")));
    lock.insert("package".to_owned(), Value::Array(packages.into_iter().map(Value::Table).collect()));
    toml::to_string(&lock).ok()
}

fn text<'a>(package: &'a Table, key: &str) -> Option<&'a str> {
    package.get(key)?.as_str()
}

fn is_named(package: &Table, name: &str) -> bool {
    text(package, "name") == Some(name)
}

fn dependencies(package: &Table) -> impl Iterator<Item = &str> {
    package.get("dependencies").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// A dependency is written `name`, and `name version` or `name version (source)` where the name alone is ambiguous.
fn is_meant(package: &Table, wanted: &str) -> bool {
    let mut parts = wanted.split(' ');
    let version = |wanted: &str| text(package, "version") == Some(wanted);
    parts.next().is_some_and(|name| is_named(package, name)) && parts.next().is_none_or(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"
version = 4
[[package]]
name = "a"
version = "1.0.0"
dependencies = ["b 2.0.0"]
[[package]]
name = "b"
version = "1.0.0"
[[package]]
name = "b"
version = "2.0.0"
dependencies = ["c"]
[[package]]
name = "c"
version = "1.0.0"
[[package]]
name = "z"
version = "1.0.0"
"#;

    #[test]
    fn only_what_is_needed_stays() {
        let pruned: Table = prune(LOCK, "a", "mine").unwrap().parse().unwrap();
        let packages = pruned["package"].as_array().unwrap();
        let names: Vec<_> =
            packages.iter().map(|p| (p["name"].as_str().unwrap(), p["version"].as_str().unwrap())).collect();
        assert_eq!(names, [("b", "2.0.0"), ("c", "1.0.0"), ("mine", "1.0.0")]);
        assert_eq!(pruned["version"].as_integer(), Some(4));
    }

    #[test]
    fn a_lock_without_the_package_is_refused() {
        assert_eq!(prune(LOCK, "q", "mine"), None);
        assert_eq!(prune("version = [", "a", "mine"), None);
        assert_eq!(prune(&LOCK.replace("\"c\"]", "\"gone\"]"), "a", "mine"), None);
    }
}
