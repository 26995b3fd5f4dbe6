//! A component as a list of what is done to instantiate it, read before it is compiled. Only the number of things is kept,
//! and of what can hold others where it comes from: `unfold` counts with it.

use wasmparser::{
    ComponentAlias, ComponentExport, ComponentExternalKind, ComponentImport, ComponentInstance,
    ComponentOuterAliasKind, ComponentType, ComponentTypeRef, Encoding, FromReader, InstanceTypeDeclaration,
    Payload, SectionLimited, TypeBounds,
};

use crate::inspect::{InspectError, StaticLimits, within};
use crate::signatures::Signatures;

/// Everything but [`Step::Plain`] makes one more instance.
pub(crate) enum Step<'a> {
    Plain(Plain),
    /// An instance with so many items in its type.
    Import(&'a str, u64),
    Export(u32),
    Alias(u32),
    /// An instance is put together: of other instances, and of this many items.
    Bundle(Vec<u32>, u64),
    /// A component is instantiated, with instances and with this many other items.
    Instantiate(u32, Vec<(&'a str, u32)>, u64),
}

/// Steps of which only the number matters.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Plain {
    pub core_instances: u64,
    pub canonicals: u64,
    /// Their types.
    pub signatures: u64,
    pub items: u64,
    /// Items that are exported.
    pub exports: u64,
}

#[derive(Default)]
pub(crate) struct Component<'a> {
    pub steps: Vec<Step<'a>>,
    /// Those it defines. As it can use no others, the index of a component is its place here.
    pub components: Vec<Component<'a>>,
    /// How many items an instance of a type has; `None` where that was not followed.
    types: Vec<Option<u64>>,
}

/// What has been read so far.
#[derive(Default)]
pub(crate) struct Outline<'a> {
    /// Components, and modules, which have no steps: the outermost first.
    open: Vec<(Encoding, Component<'a>)>,
    pub outermost: Component<'a>,
    pub signatures: Signatures,
    /// In the file, so that what is kept of it is bounded too.
    items: u64,
}

impl<'a> Outline<'a> {
    pub fn depth(&self) -> usize {
        self.open.len()
    }

    pub fn enter(&mut self, encoding: Encoding) {
        self.open.push((encoding, Component::default()));
    }

    /// The end of the innermost.
    pub fn leave(&mut self) {
        let Some((Encoding::Component, component)) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some((_, outer)) => outer.components.push(component),
            None => self.outermost = component,
        }
    }

    pub fn read(&mut self, payload: &Payload<'a>, limits: &StaticLimits) -> Result<(), InspectError> {
        let signatures = self.signatures.read(payload, limits)?;
        match payload {
            Payload::InstanceSection(section) => {
                let core_instances = section.count().into();
                self.step(Step::Plain(Plain { core_instances, ..Plain::default() }));
                Ok(())
            }
            Payload::ComponentCanonicalSection(section) => {
                let canonicals = section.count().into();
                self.step(Step::Plain(Plain { canonicals, signatures, ..Plain::default() }));
                Ok(())
            }
            Payload::CoreTypeSection(section) => {
                self.step(items(section.count().into()));
                within("items", self.items, limits.items.into())
            }
            Payload::ComponentTypeSection(section) => self.steps(section, limits, Self::of_type),
            Payload::ComponentImportSection(section) => self.steps(section, limits, Self::import),
            Payload::ComponentExportSection(section) => self.steps(section, limits, Self::export),
            Payload::ComponentAliasSection(section) => self.steps(section, limits, Self::alias),
            Payload::ComponentInstanceSection(section) => {
                self.steps(section, limits, |_, instance| instantiation(instance))
            }
            _ => Ok(()),
        }
    }

    fn steps<T: FromReader<'a>>(
        &mut self,
        section: &SectionLimited<'a, T>,
        limits: &StaticLimits,
        step: impl Fn(&mut Self, T) -> Result<Step<'a>, InspectError>,
    ) -> Result<(), InspectError> {
        for item in section.clone() {
            let step = step(self, item?)?;
            self.step(step);
            within("items", self.items, limits.items.into())?;
        }
        Ok(())
    }

    fn step(&mut self, step: Step<'a>) {
        self.items += step.items();
        let Some((_, component)) = self.open.last_mut() else { return };
        match (component.steps.last_mut(), step) {
            (Some(Step::Plain(plain)), Step::Plain(more)) => plain.add(more),
            (_, step) => component.steps.push(step),
        }
    }

    /// Instances in an instance's type are refused: wasmtime follows each way to a type anew, of which there may be any
    /// number, and no interface of WIT has such a type.
    fn of_type(&mut self, defined: ComponentType<'a>) -> Result<Step<'a>, InspectError> {
        let mut size = 1;
        if let ComponentType::Instance(declarations) = defined {
            for declaration in &declarations {
                let InstanceTypeDeclaration::Export { ty, .. } = declaration else { continue };
                if matches!(ty, ComponentTypeRef::Instance(_) | ComponentTypeRef::Component(_)) {
                    return Err(uncounted("an instance type with an instance in it"));
                }
                size += 1;
            }
        }
        self.types(Some(size));
        Ok(items(size))
    }

    fn import(&mut self, import: ComponentImport<'a>) -> Result<Step<'a>, InspectError> {
        match import.ty {
            ComponentTypeRef::Instance(of) => match self.type_at(0, of) {
                Some(size) => return Ok(Step::Import(import.name.name, size)),
                None => return Err(uncounted("an import of a type that another instance exports")),
            },
            ComponentTypeRef::Type(TypeBounds::Eq(equal)) => self.types(self.type_at(0, equal)),
            ComponentTypeRef::Type(TypeBounds::SubResource) => self.types(Some(1)),
            _ => {}
        }
        Ok(items(in_hand(import.ty.kind())?))
    }

    fn export(&mut self, export: ComponentExport<'a>) -> Result<Step<'a>, InspectError> {
        match export.kind {
            ComponentExternalKind::Instance => return Ok(Step::Export(export.index)),
            ComponentExternalKind::Type => self.types(self.type_at(0, export.index)),
            _ => {}
        }
        let exports = in_hand(export.kind)?;
        Ok(Step::Plain(Plain { items: exports, exports, ..Plain::default() }))
    }

    fn alias(&mut self, alias: ComponentAlias<'a>) -> Result<Step<'a>, InspectError> {
        match alias {
            ComponentAlias::InstanceExport {
                kind: ComponentExternalKind::Instance, instance_index, ..
            } => return Ok(Step::Alias(instance_index)),
            ComponentAlias::InstanceExport { kind, .. } => {
                in_hand(kind)?;
                if kind == ComponentExternalKind::Type {
                    self.types(None);
                }
            }
            ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, .. } => {
                in_hand(ComponentExternalKind::Component)?;
            }
            ComponentAlias::Outer { kind: ComponentOuterAliasKind::Type, count, index } => {
                self.types(self.type_at(count, index));
            }
            ComponentAlias::Outer { .. } | ComponentAlias::CoreInstanceExport { .. } => {}
        }
        Ok(items(1))
    }

    fn types(&mut self, size: Option<u64>) {
        if let Some((_, component)) = self.open.last_mut() {
            component.types.push(size);
        }
    }

    /// `out`: so many components further out.
    fn type_at(&self, out: u32, index: u32) -> Option<u64> {
        let (_, component) = self.open.iter().nth_back(out as usize)?;
        *component.types.get(index as usize)?
    }
}

impl Plain {
    fn add(&mut self, more: Self) {
        self.core_instances += more.core_instances;
        self.canonicals += more.canonicals;
        self.signatures += more.signatures;
        self.items += more.items;
        self.exports += more.exports;
    }
}

impl Step<'_> {
    /// In the file.
    fn items(&self) -> u64 {
        match self {
            Self::Plain(plain) => plain.items,
            Self::Import(..) | Self::Export(_) | Self::Alias(_) => 1,
            Self::Bundle(instances, others) => 1 + instances.len() as u64 + others,
            Self::Instantiate(_, given, others) => 1 + given.len() as u64 + others,
        }
    }
}

fn items<'a>(items: u64) -> Step<'a> {
    Step::Plain(Plain { items, ..Plain::default() })
}

fn instantiation(instance: ComponentInstance<'_>) -> Result<Step<'_>, InspectError> {
    Ok(match instance {
        ComponentInstance::FromExports(all) => {
            let (instances, others) = sorted(all.iter().map(|export| (export.kind, export.index)))?;
            Step::Bundle(instances, others)
        }
        ComponentInstance::Instantiate { component_index, args } => {
            let (instances, others) = sorted(args.iter().map(|arg| (arg.kind, (arg.name, arg.index))))?;
            Step::Instantiate(component_index, instances, others)
        }
    })
}

/// The instances among them, and the number of the others.
fn sorted<T>(all: impl Iterator<Item = (ComponentExternalKind, T)>) -> Result<(Vec<T>, u64), InspectError> {
    let (mut instances, mut others) = (Vec::new(), 0);
    for (kind, one) in all {
        match kind {
            ComponentExternalKind::Instance => instances.push(one),
            _ => others += in_hand(kind)?,
        }
    }
    Ok((instances, others))
}

/// One item, unless it is code that is handed on, which is not followed: with a module wasmtime copies its whole type, and with a
/// component all that this one takes from further out, which grows as fast as instances do, and without any. No tool hands on
/// either but `wac` where it is told to import components, and those wasmtime refuses as well.
fn in_hand(kind: ComponentExternalKind) -> Result<u64, InspectError> {
    match kind {
        ComponentExternalKind::Component => {
            Err(uncounted("a component that is used outside the one it stands in"))
        }
        ComponentExternalKind::Module => {
            Err(uncounted("a core module that is used outside the component it stands in"))
        }
        _ => Ok(1),
    }
}

fn uncounted(what: &'static str) -> InspectError {
    InspectError::Uncounted { what }
}
