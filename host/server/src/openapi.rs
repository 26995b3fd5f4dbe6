//! `/openapi.json` (OpenAPI 3.1), made from the table of routes.

use bulla_base::codes;
use serde_json::{Map, Value, json};

use crate::problem;
use crate::route::{Access, Answer, Body, Field, Kind, Route};

/// The document of these routes.
pub fn document(routes: &[Route]) -> Value {
    let mut paths = Map::new();
    for route in routes {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(methods) = path.as_object_mut() {
            methods.insert(route.method.as_str().to_ascii_lowercase(), operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Bulla",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Success is `{\"data\": …, \"trace\": …}`, an error a problem (RFC 9457) with a stable `code`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "An API token, `bulla_…`"}},
            "schemas": {"Problem": problem_schema(), "Usage": usage_schema()},
            "headers": {
                "traceparent": {"description": "W3C Trace Context", "schema": {"type": "string"}},
                "retry-after": {"description": "Whole seconds", "schema": {"type": "integer"}},
            },
            "responses": {"Problem": {
                "description": "The request did nothing, or what the code says",
                "headers": {
                    "traceparent": {"$ref": "#/components/headers/traceparent"},
                    "retry-after": {"$ref": "#/components/headers/retry-after"},
                },
                "content": {problem::CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }},
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": route.name,
        "summary": route.summary,
        "tags": [tag(route.path)],
        "parameters": parameters(route),
        "responses": responses(route),
    });
    let Some(fields) = operation.as_object_mut() else { return operation };
    if let Access::Needs(needed) = route.access {
        fields.insert("security".into(), json!([{"token": []}]));
        fields.insert("x-bulla-operation".into(), needed.name().into());
    } else {
        fields.insert("security".into(), json!([]));
    }
    if let Some(body) = request_body(route.body) {
        fields.insert("requestBody".into(), body);
    }
    operation
}

/// The room: the first part of the path that names one.
fn tag(path: &str) -> &str {
    let mut parts = path.trim_start_matches("/v1/").trim_start_matches("tenants/{tenant}/").split('/');
    match parts.next().unwrap_or_default() {
        "system" => "audit",
        "approval-rules" => "approvals",
        "" => "host",
        room if path.starts_with("/v1/") => room,
        _ => "host",
    }
}

fn parameters(route: &Route) -> Value {
    let path = route
        .parameters()
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
    let query = route.query.iter().map(|field| {
        json!({
            "name": field.name,
            "in": "query",
            "required": field.required,
            "description": field.about,
            "schema": schema(field.kind),
        })
    });
    let trace =
        json!({"name": "traceparent", "in": "header", "required": false, "schema": {"type": "string"}});
    let key = json!({
        "name": "Idempotency-Key",
        "in": "header",
        "required": false,
        "description": "1 to 255 visible ASCII characters; required where the action's manifest says so",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    });
    let key = matches!(route.answer, Answer::Call).then_some(key);
    path.chain(query).chain([trace]).chain(key).collect()
}

fn request_body(body: Body) -> Option<Value> {
    let schema = match body {
        Body::None => return None,
        Body::Json(fields) => object(fields, true),
        Body::Input => json!({"description": "The action's input, as its own schema says"}),
    };
    Some(json!({"required": true, "content": {"application/json": {"schema": schema}}}))
}

fn responses(route: &Route) -> Value {
    let (status, description, media, schema) = match route.answer {
        Answer::Data(kind) => ("200", "Done", "application/json", enveloped(schema(kind))),
        Answer::Created(kind) => ("201", "Created", "application/json", enveloped(schema(kind))),
        Answer::Nothing => ("200", "Done", "application/json", enveloped(json!({"type": "null"}))),
        Answer::Call => ("200", "The action's output", "application/json", called()),
        Answer::Plain(media) => ("200", "As it stands", media, json!({})),
    };
    let success = json!({
        "description": description,
        "headers": {"traceparent": {"$ref": "#/components/headers/traceparent"}},
        "content": {media: {"schema": schema}},
    });
    json!({status: success, "default": {"$ref": "#/components/responses/Problem"}})
}

fn enveloped(data: Value) -> Value {
    json!({
        "type": "object",
        "required": ["data", "trace"],
        "additionalProperties": false,
        "properties": {"data": data, "trace": {"type": "string", "pattern": "^[0-9a-f]{32}$"}},
    })
}

fn called() -> Value {
    let mut schema = enveloped(json!({"description": "The action's output, as its own schema says"}));
    schema["required"] = json!(["data", "trace", "call", "usage", "fuel-schedule", "replayed"]);
    schema["properties"]["call"] = json!({"type": "string"});
    schema["properties"]["usage"] = json!({"$ref": "#/components/schemas/Usage"});
    schema["properties"]["fuel-schedule"] = json!({"type": "string"});
    schema["properties"]["replayed"] =
        json!({"type": "boolean", "description": "True: an earlier call's response, nothing ran"});
    schema
}

fn usage_schema() -> Value {
    let texts = |names: &[&str]| -> Map<String, Value> {
        names.iter().map(|name| ((*name).to_owned(), json!({"type": "string"}))).collect()
    };
    let used = ["fuel", "memory-peak", "elapsed", "host-bytes", "log-bytes"];
    let limits = ["fuel", "memory", "deadline", "host-calls", "log"];
    let mut properties = texts(&used);
    properties
        .insert("limits".into(), json!({"type": "object", "required": limits, "properties": texts(&limits)}));
    json!({
        "type": "object",
        "description": "What the call used beside its limits; amounts with their units, such as `64MiB`",
        "required": used.iter().chain(&["limits"]).collect::<Vec<_>>(),
        "properties": properties,
    })
}

fn problem_schema() -> Value {
    let names: Vec<_> = codes::ALL.iter().map(|code| code.name).collect();
    json!({
        "type": "object",
        "required": ["type", "title", "status", "code", "detail", "trace"],
        "properties": {
            "type": {"type": "string", "format": "uri", "description": "The code's page"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "code": {"type": "string", "enum": names},
            "detail": {"type": "string"},
            "trace": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
            "retry-after-ms": {"type": "integer"},
            "details": {"description": "For the caller's program, such as an addon's findings"},
            "hint": {"type": "string"},
        },
    })
}

fn schema(kind: Kind) -> Value {
    match kind {
        Kind::Text => json!({"type": "string"}),
        Kind::OneOf(names) => json!({"type": "string", "enum": names}),
        Kind::Integer => json!({"type": "integer"}),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Texts => json!({"type": "array", "items": {"type": "string"}}),
        Kind::Object(fields) => object(fields, false),
        Kind::Objects(fields) => json!({"type": "array", "items": object(fields, false)}),
        Kind::Named(fields) => json!({"type": "object", "additionalProperties": object(fields, false)}),
        Kind::Any => json!({}),
    }
}

/// Requests are closed; in responses a later version may add fields.
fn object(fields: &[Field], closed: bool) -> Value {
    let required: Vec<_> = fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    let properties: Map<String, Value> =
        fields.iter().map(|field| (field.name.to_owned(), property(field))).collect();
    let mut object = json!({"type": "object", "required": required, "properties": properties});
    if closed {
        object["additionalProperties"] = false.into();
    }
    object
}

fn property(field: &Field) -> Value {
    let mut schema = schema(field.kind);
    if let Some(fields) = schema.as_object_mut() {
        if !field.required {
            let or_null = fields.get("type").map(|kind| json!([kind, "null"]));
            if let (Some(or_null), None) = (or_null, fields.get("enum")) {
                fields.insert("type".into(), or_null);
            }
        }
        fields.insert("description".into(), field.about.into());
    }
    schema
}
