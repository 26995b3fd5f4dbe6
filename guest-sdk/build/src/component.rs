//! From a core module to a component.

use wit_component::{ComponentEncoder, DecodedWasm};

/// The component of a core module that wit-bindgen described in its custom sections. Validated. Errors: a text for the author.
pub fn encode(module: &[u8]) -> Result<Vec<u8>, String> {
    let encode = || ComponentEncoder::default().validate(true).module(module)?.encode();
    encode().map_err(|error| format!("{error:#}"))
}

/// The interfaces that a component imports and exports, with versions, such as `bulla:kernel/log@0.1.0`.
pub fn imports_and_exports(component: &[u8]) -> Result<(Vec<String>, Vec<String>), String> {
    if !wasmparser::Parser::is_component(component) {
        return Err("it is not a component".to_owned());
    }
    let (resolve, world) = match wit_component::decode(component).map_err(|error| format!("{error:#}"))? {
        DecodedWasm::Component(resolve, world) => (resolve, world),
        DecodedWasm::WitPackage(..) => return Err("it is a WIT package, not a component".to_owned()),
    };
    let world = &resolve.worlds[world];
    let names = |items: &wit_parser::IndexMap<wit_parser::WorldKey, wit_parser::WorldItem>| {
        items.keys().map(|key| resolve.name_world_key(key)).collect()
    };
    Ok((names(&world.imports), names(&world.exports)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_module_is_told() {
        assert!(encode(b"no wasm").is_err());
        assert!(imports_and_exports(b"no wasm").is_err());
        assert!(imports_and_exports(b"\0asm\x01\0\0\0").is_err());
    }
}
