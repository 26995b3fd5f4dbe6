//! The WIT worlds as Rust. Each exported interface is generated once; an addon with jobs exports both, and `wit-component` joins them.

pub mod actions {
    wit_bindgen::generate!({
        path: ["../../wit/kernel-0.1.0", "../../wit/addon-0.1.0"],
        world: "bulla:addon/addon",
        generate_all,
        pub_export_macro: true,
        default_bindings_module: "bulla::__actions",
    });
}

pub mod jobs {
    wit_bindgen::generate!({
        inline: "package bulla:sdk@0.1.0; world jobs { export bulla:addon/jobs@0.1.0; }",
        path: ["../../wit/kernel-0.1.0", "../../wit/addon-0.1.0"],
        world: "bulla:sdk/jobs",
        with: { "bulla:addon/types@0.1.0": crate::bindings::actions::bulla::addon::types },
        pub_export_macro: true,
        default_bindings_module: "bulla::__jobs",
    });
}

pub use actions::bulla::{addon, kernel};
