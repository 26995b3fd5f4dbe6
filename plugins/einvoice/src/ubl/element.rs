//! A view of one element that knows where it stands.

use std::borrow::Cow;

use roxmltree::Node;

use crate::model::Kind;

const AGGREGATE: &str = "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2";
const BASIC: &str = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2";

/// White space in XML.
const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// An element with its path from the document element.
pub struct Element<'p, 'x> {
    node: Node<'x, 'x>,
    name: &'static str,
    /// From 1, for an element that may repeat.
    position: Option<usize>,
    parent: Option<&'p Element<'p, 'x>>,
}

impl<'p, 'x> Element<'p, 'x> {
    /// The document element.
    pub fn root(node: Node<'x, 'x>, kind: Kind) -> Self {
        Self { node, name: kind.root(), position: None, parent: None }
    }

    /// The children of this name (`cac:…` or `cbc:…`, whatever prefixes the document uses), which may repeat.
    pub fn all<'s>(&'s self, name: &'static str) -> impl Iterator<Item = Element<'s, 'x>> + use<'s, 'x> {
        self.nodes(name).enumerate().map(move |(index, node)| Element {
            node,
            name,
            position: Some(index + 1),
            parent: Some(self.shorter()),
        })
    }

    /// The first child of this name, which may not repeat.
    pub fn first<'s>(&'s self, name: &'static str) -> Option<Element<'s, 'x>> {
        let node = self.nodes(name).next()?;
        Some(Element { node, name, position: None, parent: Some(self.shorter()) })
    }

    /// True when two children or more have this name.
    pub fn repeats(&self, name: &'static str) -> bool {
        self.nodes(name).nth(1).is_some()
    }

    /// The text, without the white space around it. `None` where an element stands inside.
    ///
    /// All of it: a comment within must not hide digits from this reader that another one sees.
    pub fn text(&self) -> Option<Cow<'x, str>> {
        let mut text = Cow::Borrowed("");
        for child in self.node.children() {
            if child.is_element() {
                return None;
            }
            let part = if child.is_text() {
                child.text().unwrap_or_default()
            } else {
                continue;
            };
            if text.is_empty() {
                text = Cow::Borrowed(part);
            } else {
                text.to_mut().push_str(part);
            }
        }
        Some(match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim_matches(SPACE)),
            Cow::Owned(text) => Cow::Owned(text.trim_matches(SPACE).to_owned()),
        })
    }

    /// An attribute without a namespace.
    pub fn attribute(&self, name: &str) -> Option<&'x str> {
        self.node.attribute(name).map(|value| value.trim_matches(SPACE))
    }

    /// Such as `/Invoice/cac:TaxTotal[1]/cbc:TaxAmount`.
    pub fn path(&self) -> String {
        let mut path = self.parent.map(Element::path).unwrap_or_default();
        path.push('/');
        path.push_str(self.name);
        if let Some(position) = self.position {
            path.push_str(&format!("[{position}]"));
        }
        path
    }

    fn nodes(&self, name: &'static str) -> impl Iterator<Item = Node<'x, 'x>> + use<'x> {
        let (namespace, local) = expanded(name);
        self.node.children().filter(move |node| {
            let tag = node.tag_name();
            node.is_element() && tag.name() == local && tag.namespace() == Some(namespace)
        })
    }

    /// Lets a child borrow this element for as long as it lives itself.
    fn shorter<'s>(&'s self) -> &'s Element<'s, 'x> {
        self
    }
}

fn expanded(name: &'static str) -> (&'static str, &'static str) {
    match name.split_at_checked(4) {
        Some(("cac:", local)) => (AGGREGATE, local),
        Some(("cbc:", local)) => (BASIC, local),
        _ => ("", name),
    }
}
