//! The tree against the published vectors and against a second implementation.

use std::path::Path;

use base64::Engine as _;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use sha2::Sha256;
use tlog_tiles::{Hash, check_record};

use super::*;
use crate::audit::tree::{Frontier, leaf_hash};

#[test]
fn the_frontier_gives_the_roots_of_another_implementation() {
    let (mut ours, mut theirs) = (Frontier::default(), MemoryBackedTree::<Sha256, Vec<u8>>::new());
    for n in 0..700u32 {
        let leaf = format!("leaf {n}").into_bytes();
        ours.push(leaf_hash(&leaf));
        theirs.push(leaf);
        assert_eq!(ours.root().as_slice(), theirs.root().as_bytes().as_slice(), "size {}", n + 1);
        let read = Frontier::read(ours.size(), &ours.written()).unwrap();
        assert_eq!(read, ours);
    }
}

#[test]
fn a_frontier_has_one_root_for_each_bit_of_its_size() {
    assert!(Frontier::new(3, vec![[0; 32]]).is_none());
    assert!(Frontier::new(1 << 60, vec![[0; 32]]).is_none());
    assert!(Frontier::read(1, &["ZZ".into()]).is_none());
    assert!(Frontier::read(1, &["AB".repeat(32)]).is_none(), "upper case is another spelling");
    // RFC 6962, section 2.1: the hash of an empty list is the hash of an empty string.
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(hex::encode(Frontier::default().root()), empty);
}

#[test]
fn published_inclusion_vectors() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors/merkle/inclusion"));
    if !root.exists() {
        println!("{} is absent: the published Merkle vectors were not run", root.display());
        return;
    }
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    assert!(!files.is_empty());
    for file in &files {
        let case: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let accepted = included(&case).unwrap_or(false);
        assert_eq!(accepted, case["wantErr"] == false, "{}: {}", file.display(), case["desc"]);
    }
}

/// `None` where the case holds something that is no number or no hash.
fn included(case: &Value) -> Option<bool> {
    let hash = |value: &Value| {
        let bytes = base64::engine::general_purpose::STANDARD.decode(value.as_str()?).ok()?;
        Some(Hash(bytes.try_into().ok()?))
    };
    let proof = match &case["proof"] {
        Value::Null => Vec::new(),
        proof => proof.as_array()?.iter().map(hash).collect::<Option<_>>()?,
    };
    let (index, size) = (case["leafIdx"].as_u64()?, case["treeSize"].as_u64()?);
    Some(check_record(&proof, size, hash(&case["root"])?, index, hash(&case["leafHash"])?).is_ok())
}
