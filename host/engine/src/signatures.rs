//! How large the signatures of functions are when they are written out, which a small file does not show.
//!
//! wasmtime follows the types of each function that is lifted or lowered anew, to the last of them: a pair of pairs of pairs is a
//! few bytes in the file, and doubles with each of them. So the same is done here first, with numbers.

use wasmparser::component_types::{
    ComponentAnyTypeId, ComponentDefinedType, ComponentDefinedTypeId, ComponentFuncTypeId, ComponentValType,
};
use wasmparser::types::TypesRef;
use wasmparser::{CanonicalFunction, ComponentCanonicalSectionReader, Payload, Validator, WasmFeatures};

use crate::inspect::{InspectError, StaticLimits, within};

/// So many bytes of a name take wasmtime as long as a type.
const NAME: usize = 128;

/// Follows the types of a component as it is read, up to its first mistake.
pub(crate) struct Signatures {
    validator: Result<Validator, InspectError>,
    /// In the file.
    size: u64,
}

impl Default for Signatures {
    /// Which features are allowed is for the compilation to say.
    fn default() -> Self {
        Self { validator: Ok(Validator::new_with_features(WasmFeatures::all())), size: 0 }
    }
}

impl Signatures {
    /// The size of the signatures that this part of the component lifts and lowers.
    pub fn read(&mut self, payload: &Payload<'_>, limits: &StaticLimits) -> Result<u64, InspectError> {
        let Ok(validator) = &mut self.validator else { return Ok(0) };
        let before = self.size;
        // Counted before the validator sees them, which follows the types of each as well.
        if let (Payload::ComponentCanonicalSection(section), Some(types)) = (payload, validator.types(0)) {
            for signature in signatures(&types, section)? {
                self.size += of_signature(&types, signature);
                within("signatures", self.size, limits.signatures.into())?;
            }
        }
        if let Err(error) = validator.payload(payload) {
            self.validator = Err(error.into());
        }
        Ok(self.size - before)
    }

    /// The mistake, once everything else has been counted: whoever has too much shall read of that.
    pub fn end(self) -> Result<(), InspectError> {
        self.validator.map(drop)
    }
}

/// The signatures that a section uses. It ends at an index that is none: the validator has the word then.
fn signatures(
    types: &TypesRef<'_>,
    section: &ComponentCanonicalSectionReader<'_>,
) -> Result<Vec<ComponentFuncTypeId>, InspectError> {
    let (mut all, mut lifted) = (Vec::new(), Vec::new());
    for function in section.clone() {
        let function = function?;
        let signature = match function {
            CanonicalFunction::Lift { type_index, .. } => function_type(types, type_index),
            CanonicalFunction::Lower { func_index, .. } => {
                match func_index.checked_sub(types.component_function_count()) {
                    None => Some(types.component_function_at(func_index)),
                    Some(here) => lifted.get(here as usize).copied(),
                }
            }
            _ => continue,
        };
        let Some(signature) = signature else { break };
        if matches!(function, CanonicalFunction::Lift { .. }) {
            lifted.push(signature);
        }
        all.push(signature);
    }
    Ok(all)
}

fn function_type(types: &TypesRef<'_>, index: u32) -> Option<ComponentFuncTypeId> {
    let known = index < types.component_type_count();
    match known.then(|| types.component_any_type_at(index))? {
        ComponentAnyTypeId::Func(signature) => Some(signature),
        _ => None,
    }
}

fn of_signature(types: &TypesRef<'_>, signature: ComponentFuncTypeId) -> u64 {
    let signature = &types[signature];
    let params = signature.params.iter().map(|(name, ty)| of_name(name) + of_value(types, ty));
    params.sum::<u64>() + of_maybe(types, signature.result.as_ref())
}

fn of_value(types: &TypesRef<'_>, ty: &ComponentValType) -> u64 {
    match ty {
        ComponentValType::Primitive(_) => 1,
        ComponentValType::Type(defined) => 1 + inside(types, *defined),
    }
}

fn of_maybe(types: &TypesRef<'_>, ty: Option<&ComponentValType>) -> u64 {
    ty.map_or(1, |ty| of_value(types, ty))
}

fn of_name(name: &str) -> u64 {
    1 + (name.len() / NAME) as u64
}

/// wasmparser refuses a type that is nested more than a hundred deep, or a million large: this ends, and soon.
fn inside(types: &TypesRef<'_>, defined: ComponentDefinedTypeId) -> u64 {
    let of = |ty: &ComponentValType| of_value(types, ty);
    let maybe = |ty: &Option<ComponentValType>| of_maybe(types, ty.as_ref());
    match &types[defined] {
        ComponentDefinedType::Record(record) => {
            record.fields.iter().map(|(name, ty)| of_name(name) + of(ty)).sum()
        }
        ComponentDefinedType::Variant(variant) => {
            variant.cases.iter().map(|(name, case)| of_name(name) + maybe(&case.ty)).sum()
        }
        ComponentDefinedType::Flags(names) | ComponentDefinedType::Enum(names) => {
            names.iter().map(|name| of_name(name)).sum()
        }
        ComponentDefinedType::Tuple(tuple) => tuple.types.iter().map(of).sum(),
        ComponentDefinedType::List { element, .. }
        | ComponentDefinedType::FixedLengthList { element, .. } => of(element),
        ComponentDefinedType::Map { key, value, .. } => of(key) + of(value),
        ComponentDefinedType::Option { ty, .. } => of(ty),
        ComponentDefinedType::Result { ok, err, .. } => maybe(ok) + maybe(err),
        ComponentDefinedType::Future { ty, .. } | ComponentDefinedType::Stream { ty, .. } => maybe(ty),
        ComponentDefinedType::Primitive(_)
        | ComponentDefinedType::Own(_)
        | ComponentDefinedType::Borrow(_) => 0,
    }
}
