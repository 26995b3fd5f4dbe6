//! An entry's contract: what goes in and what comes out, checked against the schemas in the component.
//!
//! Schemas are a publisher's, inputs a caller's, outputs a guest's, and no fuel is counted here: so what a schema may cost is
//! measured before it is compiled (`shape`), and what a check costs is counted while it runs (`metered`).

mod metered;
mod shape;

use std::collections::HashMap;
use std::sync::Arc;

use bulla_base::{EntryName, Failure, codes};
use bulla_signing::contract::{Contract, EntryContract};
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Value, json};

use metered::{Counted, Metered, Steps};
use shape::{Room, Shape};

/// Findings that a refusal names at most.
const MAX_FINDINGS: usize = 20;
/// A longer finding is cut: a schema error quotes the offending value.
const MAX_FINDING: usize = 300;
/// What one check may cost: some tenths of a second of one processor.
const MAX_STEPS: u64 = 20_000_000;
/// What a check that lists all findings may cost: each may take some hundred bytes. Beyond it the first one is told.
const MAX_STEPS_FOR_ALL: u64 = 200_000;
/// What the search for the first finding may cost: it is known by then that there is one.
const MAX_STEPS_FOR_ONE: u64 = 2_000_000;
/// The largest compiled form of one pattern, in bytes.
const MAX_PATTERN_SIZE: usize = 256 << 10;
/// Stack that a check takes for each subschema that stands on another and each value in another, generously.
const STACK_PER_STEP: usize = 6 << 10;
/// Stack to compile a schema with: it is as deep as JSON may be.
const STACK_TO_COMPILE: usize = 32 << 20;

/// The two schemas of one action or job.
pub struct Checked {
    input: Schema,
    output: Schema,
}

/// A schema and what one value costs.
struct Schema {
    validator: Validator<Metered>,
    shape: Shape,
}

/// What a check found.
enum Verdict {
    Fits,
    Findings(Vec<Value>),
    /// It would have cost too much.
    Unchecked,
}

/// The checked contracts of a component.
pub struct Contracts {
    actions: HashMap<EntryName, Arc<Checked>>,
    jobs: HashMap<EntryName, Arc<Checked>>,
}

impl Contracts {
    /// Fails with `incompatible` where a schema is none, or may cost more than this host gives.
    pub fn new(contract: &Contract) -> Result<Self, Failure> {
        let mut room = Room::default();
        let mut all = |entries: &[EntryContract]| -> Result<HashMap<_, _>, Failure> {
            let checked = |entry: &EntryContract| {
                Checked::new(entry, &mut room).map(|checked| (entry.name.clone(), Arc::new(checked)))
            };
            entries.iter().map(checked).collect()
        };
        Ok(Self { actions: all(&contract.actions)?, jobs: all(&contract.jobs)? })
    }

    pub fn action(&self, name: &EntryName) -> Option<&Arc<Checked>> {
        self.actions.get(name)
    }

    pub fn job(&self, name: &EntryName) -> Option<&Arc<Checked>> {
        self.jobs.get(name)
    }
}

impl Checked {
    fn new(entry: &EntryContract, room: &mut Room) -> Result<Self, Failure> {
        let mut schema = |schema: &Value, side: &str| {
            Schema::new(schema, room).map_err(|reason| {
                let text = format!("the schema of `{}`'s {side} is not valid: {}", entry.name, cut(reason));
                Failure::new(codes::INCOMPATIBLE, text)
            })
        };
        Ok(Self { input: schema(&entry.input, "input")?, output: schema(&entry.output, "output")? })
    }

    /// The input as JSON, or `invalid-input` with what is wrong and where.
    pub fn check_input(&self, input: &[u8]) -> Result<Value, Failure> {
        let value = parse(input).map_err(|reason| {
            Failure::new(codes::INVALID_INPUT, format!("the input is not JSON: {reason}"))
        })?;
        match self.input.judge(&value) {
            Verdict::Fits => Ok(value),
            Verdict::Findings(findings) => {
                Err(Failure::new(codes::INVALID_INPUT, "the input does not match the action's schema")
                    .details(json!({"findings": findings})))
            }
            Verdict::Unchecked => Err(Failure::new(codes::LIMIT, "the input costs too much to check")
                .hint("send less at once, or fewer values of the kind that many alternatives are tried for")),
        }
    }

    /// The caller is told that the addon broke its promise, the operator how.
    pub fn check_output(&self, output: &[u8]) -> Result<(), Failure> {
        let broken = |internal: String| {
            Failure::new(codes::INVALID_OUTPUT, "the addon's answer does not match its own schema")
                .internal(internal)
        };
        let value = parse(output).map_err(broken)?;
        match self.output.judge(&value) {
            Verdict::Fits => Ok(()),
            Verdict::Findings(findings) => Err(broken(Value::from(findings).to_string())),
            Verdict::Unchecked => Err(broken("it costs too much to check".into())),
        }
    }
}

impl Schema {
    fn new(schema: &Value, room: &mut Room) -> Result<Self, String> {
        let shape = shape::measure(schema, room)?;
        // A publisher's patterns run on the host: only the engine without backtracking will do.
        let patterns = PatternOptions::regex().size_limit(MAX_PATTERN_SIZE);
        let options = jsonschema::options_for::<Metered>()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(patterns);
        let built =
            stacker::grow(STACK_TO_COMPILE, || options.build(schema).map_err(|error| error.to_string()));
        Ok(Self { validator: built?, shape })
    }

    fn judge(&self, value: &Value) -> Verdict {
        let stack = shape::depth(value) * self.shape.chain * STACK_PER_STEP;
        stacker::maybe_grow(stack, stack, || self.judged(value))
    }

    fn judged(&self, value: &Value) -> Verdict {
        let counted = |steps: u64| Steps::new(steps, self.shape.load);
        let steps = counted(MAX_STEPS);
        let fits = self.validator.is_valid(Counted::new(value, &steps));
        if steps.are_spent() {
            return Verdict::Unchecked;
        }
        if fits {
            return Verdict::Fits;
        }
        let steps = counted(MAX_STEPS_FOR_ALL);
        let all = self.validator.iter_errors(Counted::new(value, &steps));
        if !steps.are_spent() {
            return Verdict::Findings(all.take(MAX_FINDINGS).map(|error| finding(&error)).collect());
        }
        drop(all);
        let steps = counted(MAX_STEPS_FOR_ONE);
        let first = match self.validator.validate(Counted::new(value, &steps)) {
            Err(error) if !steps.are_spent() => finding(&error),
            _ => json!({"at": "", "message": "it does not fit, and there are too many reasons to name one"}),
        };
        Verdict::Findings(vec![first])
    }
}

fn finding(error: &jsonschema::ValidationError<'_>) -> Value {
    json!({"at": error.instance_path().to_string(), "message": cut(error.to_string())})
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_FINDING));
    text
}

/// `serde_json` refuses more than 128 levels by itself.
fn parse(bytes: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contracts(input: Value) -> Result<Contracts, Failure> {
        let json = json!({"actions": [{"name": "place", "input": input, "output": {"type": "integer"}}]});
        Contracts::new(&Contract::parse(json.to_string().as_bytes()).unwrap())
    }

    #[test]
    fn findings_say_what_and_where() {
        let contracts = contracts(json!({
            "type": "object", "required": ["id"], "properties": {"total": {"type": "string"}}
        }))
        .unwrap();
        let place = contracts.action(&"place".parse().unwrap()).unwrap();
        let failure = place.check_input(br#"{"total": 1}"#).unwrap_err();
        assert_eq!(failure.code, codes::INVALID_INPUT);
        let findings = failure.details.unwrap();
        let at: Vec<_> = findings["findings"].as_array().unwrap().iter().map(|f| f["at"].clone()).collect();
        assert_eq!(at.len(), 2);
        assert!(at.contains(&json!("/total")));
        assert!(place.check_input(br#"{"id": 1, "total": "1"}"#).is_ok());
        assert_eq!(place.check_output(b"\"x\"").unwrap_err().code, codes::INVALID_OUTPUT);
        assert_eq!(place.check_output(b"{").unwrap_err().code, codes::INVALID_OUTPUT);
    }

    #[test]
    fn a_schema_that_is_none_and_a_pattern_that_backtracks_are_refused() {
        assert_eq!(contracts(json!({"type": "nonsense"})).err().unwrap().code, codes::INCOMPATIBLE);
        let backtracking = json!({"type": "string", "pattern": "^(?=(a+))\\1$"});
        assert_eq!(contracts(backtracking).err().unwrap().code, codes::INCOMPATIBLE);
    }

    #[test]
    fn a_schema_without_end_is_refused_before_it_is_compiled() {
        for schema in [json!({"$ref": "#"}), json!({"$ref": "https://example.org/"}), json!({"$id": "x"})] {
            assert_eq!(contracts(schema).err().unwrap().code, codes::INCOMPATIBLE);
        }
        let wide = json!({"pattern": "(\\pL{100}){100}"});
        assert_eq!(contracts(wide).err().unwrap().code, codes::INCOMPATIBLE);
    }

    /// Each level tries the next one twice: 2^60 ways down, of which none fits.
    #[test]
    fn a_check_that_would_take_for_ever_is_given_up() {
        let mut defs = serde_json::Map::new();
        for step in 0..60 {
            let next = json!({"properties": {"a": {"$ref": format!("#/$defs/s{}", step + 1)}}});
            defs.insert(format!("s{step}"), json!({"anyOf": [next, next]}));
        }
        defs.insert("s60".into(), json!(false));
        let contracts = contracts(json!({"$defs": defs, "$ref": "#/$defs/s0"})).unwrap();
        let place = contracts.action(&"place".parse().unwrap()).unwrap();
        let mut input = "1".to_owned();
        for _ in 0..60 {
            input = format!("{{\"a\": {input}}}");
        }
        assert_eq!(place.check_input(input.as_bytes()).unwrap_err().code, codes::LIMIT);
    }

    /// A tree whose branches differ in one field only: every level may be tried twice, and is as deep as JSON may be.
    #[test]
    fn recursion_and_depth_take_neither_time_nor_stack() {
        let branch = |kind: &str| {
            json!({
                "required": ["kind"],
                "properties": {"kind": {"const": kind}, "of": {"type": "array", "items": {"$ref": "#"}}}
            })
        };
        let contracts = contracts(json!({"oneOf": [branch("and"), branch("or")]})).unwrap();
        let place = contracts.action(&"place".parse().unwrap()).unwrap();
        let deep = |kind: &str| {
            (0..62).fold(format!(r#"{{"kind": "{kind}"}}"#), |inner, _| {
                format!(r#"{{"kind": "or", "of": [{inner}]}}"#)
            })
        };
        assert!(place.check_input(deep("and").as_bytes()).is_ok());
        let refused = place.check_input(deep("nor").as_bytes()).unwrap_err();
        assert_eq!(refused.code, codes::INVALID_INPUT);
        let many = format!("[{}]", vec![r#"{"kind": "and"}"#; 40_000].join(","));
        let list = json!({"type": "array", "items": {"type": "object", "required": ["kind", "of"]}});
        let contracts = self::contracts(list).unwrap();
        let place = contracts.action(&"place".parse().unwrap()).unwrap();
        let refused = place.check_input(many.as_bytes()).unwrap_err();
        assert_eq!(refused.code, codes::INVALID_INPUT);
        assert!((1..=MAX_FINDINGS).contains(&refused.details.unwrap()["findings"].as_array().unwrap().len()));
    }
}
