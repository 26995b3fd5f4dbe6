//! `/openapi.json`: whole, and true of every response that the other tests see.

use std::collections::{BTreeMap, BTreeSet};

use bulla_kernel::ports::Operation;
use http::Method;
use jsonschema::Validator;
use serde_json::{Value, json};

use super::bench::Answer;
use crate::openapi;
use crate::problem;
use crate::route::{Access, Body, Route};

/// The document's schemas, ready to hold responses against. What a schema does not name, it refuses here.
pub struct Contract {
    routes: Vec<Promise>,
    problem: Validator,
}

struct Promise {
    method: String,
    path: &'static str,
    status: u16,
    /// Absent for what is not in the envelope.
    schema: Option<Validator>,
}

impl Contract {
    pub fn of(routes: &[Route]) -> Self {
        let document = openapi::document(routes);
        let promise = |route: &Route| {
            let operation = &document["paths"][route.path][route.method.as_str().to_ascii_lowercase()];
            let responses = operation["responses"].as_object().unwrap();
            let (status, success) = responses.iter().find(|(status, _)| status.starts_with('2')).unwrap();
            let json = &success["content"]["application/json"]["schema"];
            let is_envelope = json["properties"]["trace"].is_object();
            Promise {
                method: route.method.to_string(),
                path: route.path,
                status: status.parse().unwrap(),
                schema: is_envelope.then(|| validator(json, &document)),
            }
        };
        Self {
            routes: routes.iter().map(promise).collect(),
            problem: validator(&document["components"]["schemas"]["Problem"], &document),
        }
    }

    /// Panics where the response is not what the document says. The route's name where it was a success.
    #[track_caller]
    pub fn check(&self, method: &Method, path: &str, answer: &Answer) -> Option<String> {
        assert!(answer.headers.contains_key("traceparent"), "{method} {path}");
        if !answer.status.is_success() {
            assert_eq!(answer.headers["content-type"], problem::CONTENT_TYPE);
            hold(&self.problem, &answer.json, method, path);
            assert_eq!(answer.json["status"], answer.status.as_u16());
            return None;
        }
        let route = self.routes.iter().filter(|route| route.method == method.as_str());
        let mut fitting: Vec<_> = route.filter(|route| fits(route.path, path)).collect();
        // `/v1/tokens` before `/v1/{…}`: as few parameters as possible.
        fitting.sort_by_key(|route| route.path.matches('{').count());
        let route = fitting.first().unwrap_or_else(|| panic!("{method} {path} is not in the document"));
        assert_eq!(answer.status.as_u16(), route.status, "{method} {path}");
        if let Some(schema) = &route.schema {
            hold(schema, &answer.json, method, path);
        }
        Some(format!("{method} {}", route.path))
    }
}

#[track_caller]
fn hold(schema: &Validator, json: &Value, method: &Method, path: &str) {
    let wrong: Vec<_> =
        schema.iter_errors(json).map(|error| format!("{} at `{}`", error, error.instance_path())).collect();
    assert!(wrong.is_empty(), "{method} {path}: {wrong:#?}\n{json:#}");
}

fn fits(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    pattern.len() == path.len()
        && pattern.iter().zip(path).all(|(wanted, part)| wanted.starts_with('{') || *wanted == part)
}

fn validator(schema: &Value, document: &Value) -> Validator {
    let mut schema = schema.clone();
    schema["components"] = document["components"].clone();
    close(&mut schema);
    jsonschema::validator_for(&schema).unwrap()
}

/// Refuses fields that the document does not name.
fn close(schema: &mut Value) {
    if let Some(fields) = schema.as_object_mut() {
        if fields.get("properties").is_some_and(Value::is_object) {
            fields.entry("additionalProperties").or_insert(Value::Bool(false));
        }
        fields.values_mut().for_each(close);
    } else if let Some(items) = schema.as_array_mut() {
        items.iter_mut().for_each(close);
    }
}

#[test]
fn every_operation_has_a_route_and_every_route_one_operation() {
    let routes = crate::api::routes();
    let mut seen = BTreeSet::new();
    let mut names = BTreeSet::new();
    for route in &routes {
        assert!(names.insert(route.name), "`{}` twice", route.name);
        match route.access {
            Access::Needs(operation) => drop(seen.insert(operation)),
            Access::Open => assert!(!route.path.starts_with("/v1/"), "{} is open", route.path),
        }
    }
    let missing: Vec<_> = Operation::ALL.iter().filter(|operation| !seen.contains(operation)).collect();
    assert!(missing.is_empty(), "without a route: {missing:?}");
}

#[test]
fn a_method_that_changes_something_is_no_get() {
    for route in crate::api::routes() {
        let body = !matches!(route.body, Body::None);
        assert!(!(body && route.method == Method::GET), "{}", route.path);
    }
}

#[test]
fn the_document_is_whole() {
    let routes = crate::api::routes();
    let document = openapi::document(&routes);
    assert_eq!(document["openapi"], "3.1.0");
    let mut operations = BTreeMap::new();
    for route in &routes {
        let operation = &document["paths"][route.path][route.method.as_str().to_ascii_lowercase()];
        assert_eq!(operation["operationId"], route.name);
        assert!(!operation["summary"].as_str().unwrap().is_empty());
        assert_eq!(operation["responses"]["default"]["$ref"], "#/components/responses/Problem");
        let parameters = operation["parameters"].as_array().unwrap();
        for name in route.parameters() {
            assert!(parameters.iter().any(|one| one["name"] == name && one["in"] == "path"), "{name}");
        }
        assert_eq!(operation.get("requestBody").is_some(), !matches!(route.body, Body::None));
        let needs = operation["x-bulla-operation"].as_str();
        assert_eq!(needs.is_some(), operation["security"] == json!([{"token": []}]));
        operations.insert(route.name, needs.map(str::to_owned));
    }
    let count: usize =
        document["paths"].as_object().unwrap().values().map(|path| path.as_object().unwrap().len()).sum();
    assert_eq!(count, routes.len());
    references(&document, &document);
    let named: BTreeSet<_> = operations.into_values().flatten().collect();
    assert_eq!(named, Operation::ALL.iter().map(|operation| operation.name().to_owned()).collect());
}

/// Every `$ref` leads somewhere.
fn references(part: &Value, document: &Value) {
    match part {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                let found = document.pointer(reference.trim_start_matches('#'));
                assert!(found.is_some(), "{reference}");
            }
            fields.values().for_each(|field| references(field, document));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, document)),
        _ => {}
    }
}
