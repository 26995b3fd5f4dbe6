//! The image that the power cuts leave is not better than a disk: what is written while a sync runs is not in it.

use std::fs;
use std::process::Command;

use crate::disk::compile;

#[test]
fn what_is_written_during_a_sync_waits_for_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    compile("synced.c", &["-shared", "-fPIC"], &at("synced.so"));
    compile("overlap.c", &["-shared", "-fPIC", "-DMEANWHILE"], &at("meanwhile.so"));
    compile("overlap.c", &["-rdynamic", "-D_FILE_OFFSET_BITS=64"], &at("overlap"));
    fs::create_dir(at("data")).unwrap();
    fs::create_dir(at("image")).unwrap();
    let output = Command::new(at("overlap"))
        .env("LD_PRELOAD", format!("{}:{}", at("synced.so").display(), at("meanwhile.so").display()))
        .env("SYNCED_DIRECTORY", at("data"))
        .env("SYNCED_IMAGE", at("image"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "[older ][newer beside]");
}
