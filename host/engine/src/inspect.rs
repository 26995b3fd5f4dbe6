//! What a component holds, counted before anything of it is compiled.

use bulla_base::Bytes;
use wasmparser::{Parser, Payload};

use crate::outline::Outline;
use crate::unfold::unfold;

/// The most a component may hold, all its nested modules and components together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticLimits {
    /// The component itself.
    pub size: Bytes,
    /// Functions with a body.
    pub functions: u32,
    /// The body of one function: compilation time grows with it faster than linearly.
    pub function_size: Bytes,
    /// Imports of all core modules and components.
    pub imports: u32,
    /// Exports of all core modules and components.
    pub exports: u32,
    /// Type definitions.
    pub types: u32,
    /// Linear memories that modules define.
    pub memories: u32,
    /// Tables that modules define.
    pub tables: u32,
    /// Globals.
    pub globals: u32,
    /// Data and element segments.
    pub segments: u32,
    /// Core instances that are instantiated or put together. This and the next three are counted in the file, and again with
    /// every instantiation of a nested component written out.
    pub core_instances: u32,
    /// Component instances that are instantiated or put together.
    pub instances: u32,
    /// Functions that are lifted and lowered, and others that the component model has of its own: code is made for each.
    pub canonicals: u32,
    /// Types in the signatures of these, each written out with all that it is made of. A name counts as one, and as one more for each
    /// 128 bytes.
    pub signatures: u32,
    /// Whatever else components define: types, aliases, imports, exports, and what instances are given and hold.
    pub items: u32,
    /// Core modules.
    pub modules: u32,
    /// Nested components.
    pub components: u32,
    /// How deep modules and components may stand in each other.
    pub depth: u32,
    /// Custom sections together: names, debug information, the contract.
    pub custom: Bytes,
    /// Custom sections in number.
    pub custom_sections: u32,
}

impl Default for StaticLimits {
    /// Wide enough for Python and JavaScript guests (12 to 40 MB, some 20,000 functions).
    fn default() -> Self {
        Self {
            size: Bytes(64 << 20),
            functions: 100_000,
            function_size: Bytes(2 << 20),
            imports: 10_000,
            exports: 20_000,
            types: 20_000,
            memories: 4,
            tables: 16,
            globals: 50_000,
            segments: 100_000,
            core_instances: 128,
            instances: 256,
            canonicals: 20_000,
            signatures: 1_000_000,
            items: 100_000,
            modules: 64,
            components: 64,
            depth: 8,
            custom: Bytes(48 << 20),
            custom_sections: 1_000,
        }
    }
}

/// Why a component is not even compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InspectError {
    #[error("the component is malformed: {0}")]
    Malformed(String),
    #[error("the file is a core module, not a component")]
    NotAComponent,
    /// `what` is the field of [`StaticLimits`], with `-` for `_`.
    #[error("the component has {have} of `{what}`, the limit is {limit}")]
    TooMuch { what: &'static str, have: u64, limit: u64 },
    /// What no tool writes, and what may unfold to anything.
    #[error("the component has {what}: its `instances` cannot be counted before it is compiled")]
    Uncounted { what: &'static str },
}

/// What was counted, and the names of the component's own imports with their versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspected {
    pub imports: Vec<String>,
    /// The largest minimum size of a linear memory, in bytes.
    pub memory: u64,
}

/// Counts, and stops at the first count that is too high.
pub fn inspect(component: &[u8], limits: &StaticLimits) -> Result<Inspected, InspectError> {
    within("size", component.len() as u64, limits.size.0)?;
    let mut inspection = Inspection {
        limits,
        counts: Counts::default(),
        outline: Outline::default(),
        found: Inspected::default(),
    };
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload?;
        inspection.outline.read(&payload, limits)?;
        inspection.payload(payload)?;
    }
    unfold(&inspection.outline.outermost, limits)?;
    inspection.outline.signatures.end()?;
    Ok(inspection.found)
}

impl From<wasmparser::BinaryReaderError> for InspectError {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self::Malformed(error.to_string())
    }
}

pub(crate) fn within(what: &'static str, have: u64, limit: u64) -> Result<(), InspectError> {
    if have > limit { Err(InspectError::TooMuch { what, have, limit }) } else { Ok(()) }
}

#[derive(Default)]
struct Counts {
    functions: u64,
    imports: u64,
    exports: u64,
    types: u64,
    memories: u64,
    tables: u64,
    globals: u64,
    segments: u64,
    core_instances: u64,
    instances: u64,
    canonicals: u64,
    modules: u64,
    components: u64,
    custom: u64,
    custom_sections: u64,
}

struct Inspection<'a> {
    limits: &'a StaticLimits,
    counts: Counts,
    outline: Outline<'a>,
    found: Inspected,
}

/// Adds to a count and compares it with the limit of the same name.
macro_rules! count {
    ($self:ident . $field:ident, $what:literal, $more:expr) => {{
        $self.counts.$field += u64::from($more);
        within($what, $self.counts.$field, u64::from($self.limits.$field))
    }};
}

impl Inspection<'_> {
    fn payload(&mut self, payload: Payload<'_>) -> Result<(), InspectError> {
        match payload {
            Payload::Version { encoding, .. } => self.enter(encoding),
            Payload::End(_) => {
                self.outline.leave();
                Ok(())
            }
            Payload::ComponentImportSection(section) => {
                count!(self.imports, "imports", section.count())?;
                self.own_imports(section)
            }
            Payload::MemorySection(section) => {
                count!(self.memories, "memories", section.count())?;
                self.memories(section)
            }
            Payload::CodeSectionEntry(body) => {
                let range = body.range();
                within("function-size", range.len() as u64, self.limits.function_size.0)
            }
            Payload::CustomSection(section) => {
                count!(self.custom_sections, "custom-sections", 1u32)?;
                self.counts.custom += section.data().len() as u64;
                within("custom", self.counts.custom, self.limits.custom.0)
            }
            other => self.plain_count(&other),
        }
    }

    /// The sections that are counted and nothing else.
    fn plain_count(&mut self, payload: &Payload<'_>) -> Result<(), InspectError> {
        match payload {
            Payload::FunctionSection(section) => count!(self.functions, "functions", section.count()),
            Payload::ImportSection(section) => count!(self.imports, "imports", section.count()),
            Payload::ExportSection(section) => count!(self.exports, "exports", section.count()),
            Payload::ComponentExportSection(section) => count!(self.exports, "exports", section.count()),
            Payload::TypeSection(section) => count!(self.types, "types", section.count()),
            Payload::CoreTypeSection(section) => count!(self.types, "types", section.count()),
            Payload::ComponentTypeSection(section) => count!(self.types, "types", section.count()),
            Payload::TableSection(section) => count!(self.tables, "tables", section.count()),
            Payload::GlobalSection(section) => count!(self.globals, "globals", section.count()),
            Payload::ElementSection(section) => count!(self.segments, "segments", section.count()),
            Payload::DataSection(section) => count!(self.segments, "segments", section.count()),
            Payload::InstanceSection(section) => {
                count!(self.core_instances, "core-instances", section.count())
            }
            Payload::ComponentInstanceSection(section) => {
                count!(self.instances, "instances", section.count())
            }
            Payload::ComponentCanonicalSection(section) => {
                count!(self.canonicals, "canonicals", section.count())
            }
            Payload::ModuleSection { .. } => count!(self.modules, "modules", 1u32),
            Payload::ComponentSection { .. } => count!(self.components, "components", 1u32),
            _ => Ok(()),
        }
    }

    fn enter(&mut self, encoding: wasmparser::Encoding) -> Result<(), InspectError> {
        if self.outline.depth() == 0 && encoding != wasmparser::Encoding::Component {
            return Err(InspectError::NotAComponent);
        }
        self.outline.enter(encoding);
        within("depth", self.outline.depth() as u64, u64::from(self.limits.depth))
    }

    fn own_imports(
        &mut self,
        section: wasmparser::ComponentImportSectionReader<'_>,
    ) -> Result<(), InspectError> {
        if self.outline.depth() == 1 {
            for import in section {
                self.found.imports.push(import?.name.name.to_owned());
            }
        }
        Ok(())
    }

    fn memories(&mut self, section: wasmparser::MemorySectionReader<'_>) -> Result<(), InspectError> {
        for memory in section {
            let pages = memory?.initial;
            self.found.memory = self.found.memory.max(pages.saturating_mul(64 << 10));
        }
        Ok(())
    }
}
