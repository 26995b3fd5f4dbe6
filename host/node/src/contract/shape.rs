//! What a schema can cost, told before it is compiled.
//!
//! A schema comes from a publisher and is worked off by the host, where no fuel is counted. What one value costs is bounded
//! here, from the schema alone; how many values are looked at is counted while they are ([`super::metered`]).

use std::collections::HashMap;

use serde_json::{Map, Value};

/// Subschemas of all entries of a contract together.
pub const MAX_SUBSCHEMAS: usize = 20_000;
/// Regular expressions of all entries of a contract together.
pub const MAX_PATTERNS: usize = 200;
/// The longest regular expression, in bytes.
const MAX_PATTERN: usize = 1_024;
/// Steps that one value may cost, its members and elements not counted.
const MAX_LOAD: u64 = 4_096;
/// Subschemas that may stand on top of each other for one value, by `$ref`, `allOf` and the like.
const MAX_CHAIN: usize = 48;

/// The dialect of a contract: JSON Schema 2020-12.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// What changes the meaning of references, or belongs to other dialects.
const REFUSED: &[&str] = &[
    "$id",
    "id",
    "$anchor",
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$recursiveAnchor",
    "$vocabulary",
    "additionalItems",
    "contentSchema",
    "dependencies",
];
const SAME_ONE: &[&str] = &["not", "if", "then", "else"];
const SAME_LIST: &[&str] = &["allOf", "anyOf", "oneOf"];
const CHILD_ONE: &[&str] = &[
    "items",
    "additionalProperties",
    "contains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
];

/// What a contract may still hold.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    pub subschemas: usize,
    pub patterns: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { subschemas: MAX_SUBSCHEMAS, patterns: MAX_PATTERNS }
    }
}

/// What one value costs at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// In steps.
    pub load: u64,
    /// In subschemas on top of each other.
    pub chain: usize,
}

/// Measures a schema, or says why this host does not take it.
pub fn measure(schema: &Value, room: &mut Room) -> Result<Shape, String> {
    let mut schemas = Schemas { all: Vec::new(), named: HashMap::new() };
    schemas.walk(schema, room)?;
    schemas.link()?;
    let mut known = vec![Known::Never; schemas.all.len()];
    let mut whole = Shape { load: 1, chain: 1 };
    for at in 0..schemas.all.len() {
        let shape = schemas.shape(at, &mut known, 0)?;
        whole = Shape { load: whole.load.max(shape.load), chain: whole.chain.max(shape.chain) };
    }
    Ok(whole)
}

/// One subschema.
#[derive(Default)]
struct Node<'s> {
    /// The steps of its own keywords.
    weight: u64,
    /// It looks at what the others looked at.
    unevaluated: bool,
    /// Subschemas for the same value, by their place in the list.
    same: Vec<usize>,
    reference: Option<&'s str>,
}

struct Schemas<'s> {
    all: Vec<Node<'s>>,
    /// By the name in the root's `$defs`.
    named: HashMap<&'s str, usize>,
}

#[derive(Clone, Copy)]
enum Known {
    Never,
    Entered,
    Done(Shape),
}

impl<'s> Schemas<'s> {
    /// Lists every subschema. Its depth is that of the JSON, which the parser bounds to 128.
    fn walk(&mut self, schema: &'s Value, room: &mut Room) -> Result<usize, String> {
        room.subschemas = room
            .subschemas
            .checked_sub(1)
            .ok_or_else(|| format!("the contract has more than {MAX_SUBSCHEMAS} subschemas"))?;
        let at = self.all.len();
        self.all.push(Node { weight: 1, ..Node::default() });
        let Value::Object(keywords) = schema else { return Ok(at) };
        let mut node = Node { weight: 1 + weight(keywords), ..Node::default() };
        node.unevaluated =
            keywords.contains_key("unevaluatedItems") || keywords.contains_key("unevaluatedProperties");
        for (keyword, value) in keywords {
            self.keyword(at, keyword, value, &mut node, room)?;
        }
        if let Some(node_at) = self.all.get_mut(at) {
            *node_at = node;
        }
        Ok(at)
    }

    fn keyword(
        &mut self,
        at: usize,
        keyword: &'s str,
        value: &'s Value,
        node: &mut Node<'s>,
        room: &mut Room,
    ) -> Result<(), String> {
        match (keyword, value) {
            ("$schema", value) if value.as_str().is_none_or(|text| text.trim_end_matches('#') != DIALECT) => {
                return Err(format!("`$schema` is not `{DIALECT}`"));
            }
            ("$ref", value) => {
                node.reference = Some(value.as_str().ok_or("`$ref` is not a text")?);
            }
            ("$defs", Value::Object(defs)) => {
                if at != 0 {
                    return Err("`$defs` stand at the root of a schema only".into());
                }
                for (name, schema) in defs {
                    let place = self.walk(schema, room)?;
                    self.named.insert(name, place);
                }
            }
            ("pattern", value) => pattern(value.as_str().unwrap_or_default(), room)?,
            ("properties" | "patternProperties", Value::Object(members)) => {
                for (name, schema) in members {
                    if keyword == "patternProperties" {
                        pattern(name, room)?;
                    }
                    self.walk(schema, room)?;
                }
            }
            ("dependentSchemas", Value::Object(members)) => {
                for schema in members.values() {
                    node.same.push(self.walk(schema, room)?);
                }
            }
            ("prefixItems", Value::Array(items)) => {
                for schema in items {
                    self.walk(schema, room)?;
                }
            }
            (keyword, Value::Array(items)) if SAME_LIST.contains(&keyword) => {
                for schema in items {
                    node.same.push(self.walk(schema, room)?);
                }
            }
            (keyword, value) if SAME_ONE.contains(&keyword) => node.same.push(self.walk(value, room)?),
            (keyword, value) if CHILD_ONE.contains(&keyword) => {
                self.walk(value, room)?;
            }
            (keyword, _) if REFUSED.contains(&keyword) => {
                return Err(format!("this host does not take the keyword `{keyword}`"));
            }
            _ => {}
        }
        Ok(())
    }

    /// References lead to the schema itself or to one of its `$defs`, and nowhere else.
    fn link(&mut self) -> Result<(), String> {
        let named = &self.named;
        for node in &mut self.all {
            let Some(reference) = node.reference else { continue };
            let target = match (reference, reference.strip_prefix("#/$defs/")) {
                ("#", _) => Some(0),
                (_, Some(name)) if !name.contains(['/', '~', '%']) => named.get(name).copied(),
                _ => None,
            };
            let shown: String = reference.chars().take(80).collect();
            node.same.push(
                target.ok_or_else(|| format!("`{shown}` is not `#` or `#/$defs/<name>` of the schema"))?,
            );
        }
        Ok(())
    }

    fn shape(&self, at: usize, known: &mut [Known], depth: usize) -> Result<Shape, String> {
        match known.get(at).copied() {
            Some(Known::Done(shape)) => return Ok(shape),
            Some(Known::Entered) => return Err("a schema refers to itself for the same value".into()),
            Some(Known::Never) if depth < MAX_CHAIN => {}
            _ => return Err(format!("more than {MAX_CHAIN} subschemas stand on top of each other")),
        }
        let (Some(node), Some(state)) = (self.all.get(at), known.get_mut(at)) else {
            return Err("a subschema is not there".into());
        };
        *state = Known::Entered;
        let mut shape = Shape { load: node.weight, chain: 1 };
        for &next in &node.same {
            let below = self.shape(next, known, depth + 1)?;
            shape.load = shape.load.saturating_add(below.load);
            shape.chain = shape.chain.max(below.chain + 1);
        }
        if node.unevaluated {
            // For each of the others it asks once more, from the start.
            shape.load = shape.load.saturating_mul(1 + shape.chain as u64);
        }
        if shape.load > MAX_LOAD {
            return Err(format!("one value may cost {} steps, the limit is {MAX_LOAD}", shape.load));
        }
        if shape.chain > MAX_CHAIN {
            return Err(format!("more than {MAX_CHAIN} subschemas stand on top of each other"));
        }
        if let Some(state) = known.get_mut(at) {
            *state = Known::Done(shape);
        }
        Ok(shape)
    }
}

fn pattern(text: &str, room: &mut Room) -> Result<(), String> {
    if text.len() > MAX_PATTERN {
        return Err(format!("a pattern has {} bytes, the limit is {MAX_PATTERN}", text.len()));
    }
    room.patterns = room
        .patterns
        .checked_sub(1)
        .ok_or_else(|| format!("the contract has more than {MAX_PATTERNS} patterns"))?;
    Ok(())
}

/// The steps of a schema's own keywords: names it looks up, values it compares with.
fn weight(keywords: &Map<String, Value>) -> u64 {
    let of = |(keyword, value): (&String, &Value)| match (keyword.as_str(), value) {
        ("required", Value::Array(names)) => names.len() as u64,
        ("properties", Value::Object(members)) => members.len() as u64 / 4,
        ("patternProperties", Value::Object(members)) => 8 * members.len() as u64,
        ("dependentRequired", Value::Object(members)) => {
            members.values().map(|names| 1 + names.as_array().map_or(0, Vec::len) as u64).sum()
        }
        ("enum" | "const", value) => size(value) / 8,
        ("pattern", _) => 8,
        _ => 0,
    };
    keywords.iter().map(of).sum()
}

/// Values inside of it, and one for each 8 bytes of text.
pub fn size(value: &Value) -> u64 {
    match value {
        Value::String(text) => 1 + text.len() as u64 / 8,
        Value::Array(items) => 1 + items.iter().map(size).sum::<u64>(),
        Value::Object(members) => {
            1 + members.iter().map(|(name, value)| name.len() as u64 / 8 + size(value)).sum::<u64>()
        }
        _ => 1,
    }
}

/// How deep values stand in each other.
pub fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(schema: Value) -> String {
        measure(&schema, &mut Room::default()).unwrap_err()
    }

    fn accepted(schema: Value) -> Shape {
        measure(&schema, &mut Room::default()).unwrap()
    }

    #[test]
    fn what_types_derive_is_taken() {
        let tree = json!({
            "$schema": DIALECT,
            "type": "object",
            "properties": {"left": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}, "value": {"$ref": "#/$defs/Value"}},
            "required": ["value"],
            "additionalProperties": false,
            "$defs": {"Value": {"oneOf": [
                {"type": "string", "const": "none"},
                {"type": "object", "properties": {"list": {"type": "array", "items": {"$ref": "#/$defs/Value"}}}}
            ]}}
        });
        let shape = accepted(tree);
        assert!(shape.load < 20 && shape.chain <= 3, "{shape:?}");
    }

    #[test]
    fn a_schema_that_never_comes_to_an_end_is_refused() {
        for schema in [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"not": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"}),
        ] {
            assert!(refused(schema).contains("refers to itself"));
        }
    }

    #[test]
    fn what_doubles_at_each_step_is_refused() {
        let mut defs = Map::new();
        for step in 0..20 {
            let next = json!({"$ref": format!("#/$defs/s{}", step + 1)});
            defs.insert(format!("s{step}"), json!({"anyOf": [next, next]}));
        }
        defs.insert("s20".into(), json!(false));
        assert!(refused(json!({"$defs": defs, "$ref": "#/$defs/s0"})).contains("steps"));
    }

    #[test]
    fn a_long_chain_is_refused() {
        let mut defs = Map::new();
        for step in 0..5_000 {
            defs.insert(format!("s{step}"), json!({"$ref": format!("#/$defs/s{}", step + 1)}));
        }
        defs.insert("s5000".into(), json!(true));
        assert!(refused(json!({"$defs": defs, "$ref": "#/$defs/s0"})).contains("on top of each other"));
    }

    #[test]
    fn references_stay_within_the_schema() {
        for reference in [
            "https://example.org/schema",
            "file:///etc/passwd",
            "other.json",
            "#anchor",
            "#/properties/a",
            "#/$defs/absent",
            "#/$defs/a/items",
            "",
        ] {
            let schema =
                json!({"$defs": {"a": {"items": true}}, "properties": {"a": true}, "$ref": reference});
            assert!(refused(schema).contains("is not `#`"), "{reference}");
        }
        for keyword in REFUSED {
            let schema = json!({"properties": {"a": {*keyword: "x"}}});
            assert!(refused(schema).contains(keyword), "{keyword}");
        }
        assert!(refused(json!({"$schema": "http://json-schema.org/draft-07/schema#"})).contains("$schema"));
    }

    #[test]
    fn patterns_and_subschemas_are_counted_over_the_whole_contract() {
        let mut room = Room::default();
        let pattern = json!({"pattern": "a"});
        for _ in 0..MAX_PATTERNS {
            measure(&pattern, &mut room).unwrap();
        }
        assert!(measure(&pattern, &mut room).unwrap_err().contains("patterns"));
        assert!(refused(json!({"pattern": "a".repeat(MAX_PATTERN + 1)})).contains("pattern"));
        let many: Vec<_> = vec![json!({}); MAX_SUBSCHEMAS];
        assert!(refused(json!({"prefixItems": many})).contains("subschemas"));
        assert!(refused(json!({"required": vec!["a"; 5_000]})).contains("steps"));
    }
}
