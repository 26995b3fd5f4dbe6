//! The functions of the kernel, as a guest's core module sees them.

use std::path::Path;

use wit_parser::abi::{AbiVariant, WasmSignature, WasmType};
use wit_parser::{Function, Resolve, SizeAlign, TypeDefKind, WorldId, WorldItem};

pub struct World {
    pub resolve: Resolve,
    pub id: WorldId,
    pub sizes: SizeAlign,
    pub imports: Vec<Import>,
}

/// One import: a function, or the drop of a resource's handle.
pub struct Import {
    pub module: String,
    pub name: String,
    pub params: Vec<WasmType>,
    pub results: Vec<WasmType>,
    /// `None`: a drop.
    pub function: Option<(Function, WasmSignature)>,
}

impl World {
    pub fn read() -> Self {
        let mut resolve = Resolve::default();
        let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
        resolve.push_dir(wit.join("kernel-0.1.0")).unwrap();
        let (addon, _) = resolve.push_dir(wit.join("addon-0.1.0")).unwrap();
        let id = resolve.select_world(&[addon], Some("addon")).unwrap();
        let mut sizes = SizeAlign::default();
        sizes.fill(&resolve).unwrap();
        let imports = imports(&resolve, id);
        assert!(imports.len() > 20, "{} imports", imports.len());
        Self { resolve, id, sizes, imports }
    }

    /// The imports as fields of a module's text, named `$f0`, `$f1` and so on.
    pub fn import_fields(&self) -> String {
        let field = |(at, import): (usize, &Import)| {
            let Import { module, name, params, results, .. } = import;
            let (params, results) = (types("param", params), types("result", results));
            format!("(import \"{module}\" \"{name}\" (func $f{at} {params} {results}))\n")
        };
        self.imports.iter().enumerate().map(field).collect()
    }
}

pub fn core_type(kind: &WasmType) -> &'static str {
    match kind {
        WasmType::I64 | WasmType::PointerOrI64 => "i64",
        WasmType::F32 => "f32",
        WasmType::F64 => "f64",
        _ => "i32",
    }
}

fn types(word: &str, kinds: &[WasmType]) -> String {
    if kinds.is_empty() {
        return String::new();
    }
    let kinds: Vec<_> = kinds.iter().map(core_type).collect();
    format!("({word} {})", kinds.join(" "))
}

fn imports(resolve: &Resolve, id: WorldId) -> Vec<Import> {
    let mut imports = Vec::new();
    for (key, item) in &resolve.worlds[id].imports {
        let WorldItem::Interface { id, .. } = item else { continue };
        let (module, interface) = (resolve.name_world_key(key), &resolve.interfaces[*id]);
        for (name, function) in &interface.functions {
            let signature = resolve.wasm_signature(AbiVariant::GuestImport, function);
            imports.push(Import {
                module: module.clone(),
                name: name.clone(),
                params: signature.params.clone(),
                results: signature.results.clone(),
                function: Some((function.clone(), signature)),
            });
        }
        for (name, kind) in &interface.types {
            if matches!(resolve.types[*kind].kind, TypeDefKind::Resource) {
                imports.push(Import {
                    module: module.clone(),
                    name: format!("[resource-drop]{name}"),
                    params: vec![WasmType::I32],
                    results: Vec::new(),
                    function: None,
                });
            }
        }
    }
    imports
}
