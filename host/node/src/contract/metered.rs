//! JSON that counts how often it is looked at.
//!
//! Each step from a value to its members or elements is paid for. When nothing is left, values have no members and no
//! elements any more: the check comes to its end soon, and its answer is thrown away.

use std::borrow::Cow;
use std::cell::Cell;

use jsonschema::JsonType;
use jsonschema::json::{Array, Json, Node, NodeIdentity, Object, unique};
use serde_json::{Map, Number, Value};

use super::shape::size;

/// The steps that are left.
#[derive(Debug)]
pub struct Steps {
    left: Cell<u64>,
    /// What one value costs: the schema's own load.
    load: u64,
    spent: Cell<bool>,
}

impl Steps {
    pub fn new(steps: u64, load: u64) -> Self {
        Self { left: Cell::new(steps), load, spent: Cell::new(false) }
    }

    /// True once something could not be paid for: the answer means nothing.
    pub fn are_spent(&self) -> bool {
        self.spent.get()
    }

    fn pay(&self, values: u64) -> bool {
        let price = self.load.saturating_mul(values);
        let left = self.left.get().checked_sub(price);
        self.left.set(left.unwrap_or(0));
        self.spent.set(self.spent.get() || left.is_none());
        left.is_some() && !self.spent.get()
    }

    /// A value to be looked at; a long text counts by its length, which patterns go through.
    fn pay_for(&self, value: &Value) -> bool {
        self.pay(1 + value.as_str().map_or(0, |text| text.len() as u64 / 64))
    }
}

impl Default for Steps {
    /// For a text that stands alone: it has no members.
    fn default() -> Self {
        Self::new(0, 0)
    }
}

/// The representation.
pub struct Metered;

/// A value and who pays for it.
#[derive(Clone, Copy)]
pub struct Counted<'a> {
    value: &'a Value,
    steps: &'a Steps,
}

impl<'a> Counted<'a> {
    pub fn new(value: &'a Value, steps: &'a Steps) -> Self {
        Self { value, steps }
    }
}

#[derive(Default)]
pub struct Text {
    value: Value,
    steps: Steps,
}

impl Json for Metered {
    type Node<'a> = Counted<'a>;
    type PreparedKey = String;
    type StringBuffer = Text;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>(buffer: &mut Text, string: &str, f: impl FnOnce(Counted<'_>) -> T) -> T {
        buffer.value = Value::String(string.to_owned());
        f(Counted::new(&buffer.value, &buffer.steps))
    }
}

impl<'a> Node<'a, Metered> for Counted<'a> {
    type Object = Members<'a>;
    type Array = Elements<'a>;
    type Number = &'a Number;

    fn as_object(&self) -> Option<Members<'a>> {
        self.value.as_object().map(|members| Members { members, steps: self.steps })
    }

    fn as_array(&self) -> Option<Elements<'a>> {
        self.value.as_array().map(|items| Elements { items, steps: self.steps })
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        self.value.as_str().map(Cow::Borrowed)
    }

    fn as_number(&self) -> Option<&'a Number> {
        self.value.as_number()
    }

    fn as_boolean(&self) -> Option<bool> {
        self.value.as_bool()
    }

    fn is_null(&self) -> bool {
        self.value.is_null()
    }

    fn json_type(&self) -> JsonType {
        match self.value {
            Value::Null => JsonType::Null,
            Value::Bool(_) => JsonType::Boolean,
            Value::Number(_) => JsonType::Number,
            Value::String(_) => JsonType::String,
            Value::Array(_) => JsonType::Array,
            Value::Object(_) => JsonType::Object,
        }
    }

    fn to_value(&self) -> Cow<'a, Value> {
        Cow::Borrowed(self.value)
    }

    fn identity(&self) -> Option<NodeIdentity> {
        Some(NodeIdentity::new(std::ptr::from_ref(self.value) as usize))
    }
}

pub struct Members<'a> {
    members: &'a Map<String, Value>,
    steps: &'a Steps,
}

impl<'a> Object<'a, Metered> for Members<'a> {
    type Node = Counted<'a>;
    type MemberName = &'a str;
    type MembersIter = MembersIter<'a>;

    fn len(&self) -> usize {
        self.members.len()
    }

    fn get(&self, key: &String) -> Option<Counted<'a>> {
        let value = self.members.get(key.as_str()).filter(|value| self.steps.pay_for(value))?;
        Some(Counted::new(value, self.steps))
    }

    fn members(&self) -> MembersIter<'a> {
        MembersIter { members: self.members.iter(), steps: self.steps }
    }
}

pub struct MembersIter<'a> {
    members: serde_json::map::Iter<'a>,
    steps: &'a Steps,
}

impl<'a> Iterator for MembersIter<'a> {
    type Item = (&'a str, Counted<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.members.next()?;
        let paid = self.steps.pay(name.len() as u64 / 64) && self.steps.pay_for(value);
        paid.then(|| (name.as_str(), Counted::new(value, self.steps)))
    }
}

pub struct Elements<'a> {
    items: &'a [Value],
    steps: &'a Steps,
}

impl<'a> Array<'a, Metered> for Elements<'a> {
    type Node = Counted<'a>;
    type ElementsIter = ElementsIter<'a>;

    fn len(&self) -> usize {
        self.items.len()
    }

    fn elements(&self) -> ElementsIter<'a> {
        ElementsIter { items: self.items.iter(), steps: self.steps }
    }

    /// Looks at everything inside.
    fn is_unique(&self) -> bool {
        let inside = self.items.iter().map(size).sum();
        self.steps.pay(inside) && unique::is_unique(self.items)
    }
}

pub struct ElementsIter<'a> {
    items: std::slice::Iter<'a, Value>,
    steps: &'a Steps,
}

impl<'a> Iterator for ElementsIter<'a> {
    type Item = Counted<'a>;

    fn next(&mut self) -> Option<Counted<'a>> {
        let value = self.items.next().filter(|value| self.steps.pay_for(value))?;
        Some(Counted::new(value, self.steps))
    }
}
