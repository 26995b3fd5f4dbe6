mod publisher;

use bulla_base::{Bytes, Millis};
use proptest::prelude::*;

use super::*;
use crate::fixtures::{MANIFEST, component, key, now, package, trust};
use crate::key::PublisherKey;
use crate::package::{KIND_ADDON, Package, STATEMENT_TYPE};
use crate::trust::TrustEntry;

/// A file with these parts, signed over exactly this statement: what a careless or hostile publisher with a trusted key can make.
fn forge(statement: &[u8], key: &PublisherKey, manifest: &[u8], component: &[u8]) -> Vec<u8> {
    let mut bytes = b"BULLAPK1".to_vec();
    for part in [statement, manifest, component] {
        bytes.extend_from_slice(&u32::try_from(part.len()).unwrap().to_le_bytes());
    }
    let signature = key.sign(&signed_bytes(statement));
    [bytes.as_slice(), statement, &signature, manifest, component].concat()
}

fn statement(key: &PublisherKey) -> String {
    let bytes = package(key).into_bytes();
    let layout = Layout::read(&bytes, &PackageBounds::default()).unwrap();
    String::from_utf8(bytes[layout.statement].to_vec()).unwrap()
}

fn verify(bytes: Vec<u8>, trust: &TrustStore) -> Result<VerifiedAddon, VerifyError> {
    VerifiedAddon::verify(bytes, trust, now())
}

#[test]
fn a_sealed_package_is_verified_and_keeps_its_bytes() {
    let key = key();
    let sealed = package(&key);
    let bytes: Arc<[u8]> = sealed.bytes().into();
    let addon = VerifiedAddon::verify(Arc::clone(&bytes), &trust(&key), now()).unwrap();
    assert!(Arc::ptr_eq(addon.package(), &bytes));
    let component = component();
    let within = &bytes[bytes.len() - component.len()..];
    assert_eq!((addon.component(), addon.component().as_ptr()), (component.as_slice(), within.as_ptr()));
    assert_eq!((addon.name().as_str(), addon.version().to_string().as_str()), ("hello", "0.1.0"));
    assert_eq!((addon.component_digest(), addon.package_digest()), (Digest::of(&component), sealed.digest()));
    assert_eq!((addon.publisher(), addon.signed_at()), (&key.id(), now()));
    assert_eq!(addon.manifest(), &Manifest::parse(MANIFEST).unwrap());
    assert_eq!(addon.contract().unwrap(), crate::fixtures::contract());
    assert_eq!(Package::seal(MANIFEST.as_bytes(), &component, &key, now()).unwrap(), sealed);
}

#[test]
fn a_flip_of_any_bit_is_refused() {
    let key = key();
    let (good, trust) = (package(&key).into_bytes(), trust(&key));
    let layout = Layout::read(&good, &PackageBounds::default()).unwrap();
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            let error = verify(bytes, &trust).expect_err(&format!("byte {at}, bit {bit}"));
            let expected = match at {
                0..8 => error == PackageError::NotAPackage.into(),
                // A changed length, or a changed statement: refused as malformed, not canonical, unknown key or unsigned.
                8..20 => matches!(error, VerifyError::Package(_)),
                _ if layout.statement.contains(&at) => matches!(
                    error,
                    VerifyError::Package(_)
                        | VerifyError::Trust(TrustError::UnknownKey { .. })
                        | VerifyError::Signature { .. }
                ),
                _ if layout.signature.contains(&at) => error == VerifyError::Signature { key: key.id() },
                _ if layout.manifest.contains(&at) => error == VerifyError::Content { part: Part::Manifest },
                _ => error == VerifyError::Content { part: Part::Component },
            };
            assert!(expected, "byte {at}, bit {bit}: {error:?}");
        }
    }
}

#[test]
fn every_truncation_and_every_addition_is_refused() {
    let key = key();
    let (good, trust) = (package(&key).into_bytes(), trust(&key));
    for end in 0..good.len() {
        let expected = match end {
            0..8 => PackageError::NotAPackage,
            8..20 => PackageError::Truncated { expected: 20, actual: end as u64 },
            _ => PackageError::Truncated { expected: good.len() as u64, actual: end as u64 },
        };
        assert_eq!(verify(good[..end].to_vec(), &trust).unwrap_err(), expected.into());
    }
    for byte in 0..=255 {
        let longer = [good.as_slice(), &[byte]].concat();
        assert_eq!(verify(longer, &trust).unwrap_err(), PackageError::Trailing { extra: 1 }.into());
    }
}

#[test]
fn a_byte_cannot_move_from_one_part_to_the_next() {
    let key = key();
    let mut bytes = package(&key).into_bytes();
    let length = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let (manifest, component) = (length(&bytes, 12) - 1, length(&bytes, 16) + 1);
    bytes[12..16].copy_from_slice(&manifest.to_le_bytes());
    bytes[16..20].copy_from_slice(&component.to_le_bytes());
    assert_eq!(verify(bytes, &trust(&key)).unwrap_err(), VerifyError::Content { part: Part::Manifest });
}

#[test]
fn a_trusted_signature_does_not_excuse_a_bad_statement() {
    let key = key();
    let (good, trust) = (statement(&key), trust(&key));
    let refused = |text: String| {
        verify(forge(text.as_bytes(), &key, MANIFEST.as_bytes(), &component()), &trust).unwrap_err()
    };
    assert!(verify(forge(good.as_bytes(), &key, MANIFEST.as_bytes(), &component()), &trust).is_ok());
    assert_eq!(refused(good.replace(":", ": ")), PackageError::NotCanonical.into());
    assert_eq!(refused(format!("{good} ")), PackageError::NotCanonical.into());
    let second = refused(good.replacen('{', r#"{"name":"other","#, 1));
    assert!(
        matches!(second, VerifyError::Package(PackageError::Statement { problem }) if problem.contains("duplicate field `name`"))
    );
    let more = refused(good.replacen('{', r#"{"a":1,"#, 1));
    assert!(
        matches!(more, VerifyError::Package(PackageError::Statement { problem }) if problem.contains("unknown field `a`"))
    );
    let later = PackageError::OtherStatement { found: format!("{STATEMENT_TYPE}0"), known: STATEMENT_TYPE };
    assert_eq!(refused(good.replace(STATEMENT_TYPE, &format!("{STATEMENT_TYPE}0"))), later.into());
    let kind = PackageError::OtherKind { found: "pack".into(), known: KIND_ADDON };
    assert_eq!(refused(good.replace(r#""addon""#, r#""pack""#)), kind.into());
    let (stated, manifest) = ("other".parse().unwrap(), "hello".parse().unwrap());
    assert_eq!(refused(good.replace("hello", "other")), VerifyError::Name { stated, manifest });
    let (stated, manifest) = (Version::new(0, 2, 0), Version::new(0, 1, 0));
    assert_eq!(refused(good.replace("0.1.0", "0.2.0")), VerifyError::Version { stated, manifest });
    let size = component().len();
    let resized = good.replace(&format!(r#""size":{size}"#), &format!(r#""size":{}"#, size + 1));
    assert_eq!(refused(resized), VerifyError::Content { part: Part::Component });
}

#[test]
fn build_metadata_is_part_of_the_version() {
    let key = key();
    let other = statement(&key).replace("0.1.0", "0.1.0+b");
    let error =
        verify(forge(other.as_bytes(), &key, MANIFEST.as_bytes(), &component()), &trust(&key)).unwrap_err();
    assert!(matches!(error, VerifyError::Version { .. }));
}

#[test]
fn a_signed_manifest_must_be_valid_too() {
    let key = key();
    let later = MANIFEST.replace(r#"kernel = "0.1""#, r#"kernel = "0.2""#);
    let statement = statement(&key);
    let signed = |manifest: &str| {
        let files =
            |text: &str| format!(r#"{{"sha256":"{}","size":{}}}"#, Digest::of(text.as_bytes()), text.len());
        let statement = statement.replace(&files(MANIFEST), &files(manifest));
        verify(forge(statement.as_bytes(), &key, manifest.as_bytes(), &component()), &trust(&key))
            .unwrap_err()
    };
    let incompatible = signed(&later);
    let error = ManifestError::OtherKernel { wanted: "0.2".into(), served: "`0.1`".into() };
    assert_eq!((incompatible.code(), incompatible), (codes::INCOMPATIBLE, error.into()));
    let unknown = signed(&format!("{MANIFEST}more = 1"));
    assert_eq!(unknown.code(), codes::MANIFEST_INVALID);
    assert!(
        matches!(unknown, VerifyError::Manifest(ManifestError::Field { path, .. }) if path.starts_with("actions.greet"))
    );
    let refused = Package::seal(later.as_bytes(), &component(), &key, now()).unwrap_err();
    assert_eq!(
        (refused.code(), &refused),
        (
            codes::INCOMPATIBLE,
            &PackageError::Manifest(ManifestError::OtherKernel {
                wanted: "0.2".into(),
                served: "`0.1`".into()
            })
        )
    );
}

#[test]
fn every_bound_is_enforced_and_can_be_set() {
    let key = key();
    let (sealed, component) = (package(&key), component());
    let sizes = (statement(&key).len() as u64, MANIFEST.len() as u64, component.len() as u64);
    let exact =
        PackageBounds { statement: Bytes(sizes.0), manifest: Bytes(sizes.1), component: Bytes(sizes.2) };
    let within =
        |bounds: &PackageBounds| VerifiedAddon::verify_within(sealed.bytes(), &trust(&key), now(), bounds);
    assert!(within(&exact).is_ok());
    let less = |size: u64| Bytes(size - 1);
    let seal =
        |bounds: &PackageBounds| Package::seal_within(MANIFEST.as_bytes(), &component, &key, now(), bounds);
    assert_eq!(seal(&exact).unwrap(), sealed);
    for (part, size, bounds) in [
        (Part::Statement, sizes.0, PackageBounds { statement: less(sizes.0), ..exact }),
        (Part::Manifest, sizes.1, PackageBounds { manifest: less(sizes.1), ..exact }),
        (Part::Component, sizes.2, PackageBounds { component: less(sizes.2), ..exact }),
    ] {
        let refused = PackageError::TooLarge { part, size, max: size - 1 };
        assert_eq!(within(&bounds).unwrap_err(), refused.clone().into());
        assert_eq!(seal(&bounds), Err(refused));
    }
}

#[test]
fn empty_and_huge_parts_are_refused() {
    let (key, component) = (key(), component());
    let empty = forge(statement(&key).as_bytes(), &key, MANIFEST.as_bytes(), b"");
    assert_eq!(
        verify(empty, &trust(&key)).unwrap_err(),
        PackageError::Empty { part: Part::Component }.into()
    );
    assert_eq!(
        Package::seal(b"", &component, &key, now()),
        Err(PackageError::Empty { part: Part::Manifest })
    );
    let huge = [b"BULLAPK1".as_slice(), &[0xff; 12]].concat();
    let refused = PackageError::TooLarge { part: Part::Statement, size: u32::MAX.into(), max: 64 << 10 };
    assert_eq!(verify(huge, &trust(&key)).unwrap_err(), refused.into());
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let bounds = PackageBounds::default();
    assert_eq!(
        bounds.statement.to_string()
            + "/"
            + &bounds.manifest.to_string()
            + "/"
            + &bounds.component.to_string(),
        "64KiB/256KiB/64MiB"
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, header: [u32; 3]) {
        let trust = trust(&key());
        prop_assert!(verify(bytes.clone(), &trust).is_err());
        let mut file = b"BULLAPK1".to_vec();
        header.iter().for_each(|length| file.extend_from_slice(&(length % 200).to_le_bytes()));
        file.extend_from_slice(&bytes);
        prop_assert!(verify(file.clone(), &trust).is_err());
        let _ = crate::inspect::inspect(&file);
    }
}
