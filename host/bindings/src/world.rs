//! The generated side of `bulla:kernel@0.1.0`.

wasmtime::component::bindgen!({
    world: "bulla:addon/imports",
    path: ["../../wit/kernel-0.1.0", "../../wit/addon-0.1.0"],
    imports: {
        "bulla:kernel/sequences.[method]sequence.reserve": async | trappable,
        "bulla:kernel/sequences.[method]sequence.preview": async | trappable,
        "bulla:kernel/sequences.[method]sequence.commit": async | trappable,
        "bulla:kernel/sequences.[method]sequence.cancel": async | trappable,
        "bulla:kernel/approvals.request": async | trappable,
        "bulla:kernel/approvals.state": async | trappable,
        "bulla:kernel/jobs.enqueue": async | trappable,
        "bulla:kernel/secrets.[method]secret.send": async | trappable,
        default: trappable,
    },
    with: {
        "bulla:kernel/sequences.sequence": crate::sequences::SequenceHandle,
        "bulla:kernel/secrets.secret": crate::secrets::SecretHandle,
        "bulla:kernel/keys.signing-key": crate::keys::KeyHandle,
    },
});

pub use bulla::kernel::types::Error;
