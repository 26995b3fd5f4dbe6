use super::*;

/// Three checkpoints: at 3, 8 and 12.
async fn signed_log() -> House {
    let house = House::open().await;
    for count in [3, 5, 4] {
        house.write("acme", count).await;
        house.publish().await;
    }
    house
}

#[tokio::test]
async fn a_bundle_proves_itself_without_the_database() {
    let house = signed_log().await;
    let vkeys = house.vkeys(&acme()).await;
    for (from, to, proven) in [
        (0, None, (0, 12)),
        (0, Some(1), (0, 3)),
        (3, Some(4), (3, 8)),
        (4, Some(9), (3, 12)),
        (11, None, (8, 12)),
    ] {
        let bundle = house.audit.export(&acme(), from, to).await.unwrap();
        let summary = verify_bundle(&bundle, &vkeys).unwrap();
        assert_eq!((summary.from, summary.to), proven);
        assert_eq!((summary.log.as_str(), summary.origin.as_str()), ("acme", "bulla.dev/log/acme"));
    }
}

#[tokio::test]
async fn no_byte_of_a_bundle_can_be_changed() {
    let house = signed_log().await;
    let vkeys = house.vkeys(&acme()).await;
    let bundle = house.audit.export(&acme(), 4, Some(8)).await.unwrap();
    verify_bundle(&bundle, &vkeys).unwrap();
    let manifest_end = bundle.iter().position(|byte| *byte == b'\n').unwrap();
    let manifest = std::str::from_utf8(&bundle[..manifest_end]).unwrap();
    // The manifest names keys for information; whoever verifies brings their own.
    let informational = manifest.find("\"vkeys\"").unwrap()..manifest_end;
    for at in (0..bundle.len()).filter(|at| !informational.contains(at)) {
        let mut changed = bundle.clone();
        changed[at] ^= 0x01;
        assert!(verify_bundle(&changed, &vkeys).is_err(), "byte {at} of {}", bundle.len());
    }
    for cut in [0, 1, manifest_end, bundle.len() - 1] {
        assert!(verify_bundle(&bundle[..cut], &vkeys).is_err());
    }
    assert!(verify_bundle(&[bundle.as_slice(), b"\n"].concat(), &vkeys).is_err());
}

#[tokio::test]
async fn a_bundle_with_new_digests_over_other_entries_is_refused() {
    let house = signed_log().await;
    let vkeys = house.vkeys(&acme()).await;
    let bundle = String::from_utf8(house.audit.export(&acme(), 0, None).await.unwrap()).unwrap();
    let forge = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines: Vec<String> = bundle.lines().map(str::to_owned).collect();
        change(&mut lines);
        let manifest: Value = serde_json::from_str(&lines[0]).unwrap();
        let contents = crate::audit::bundle::Contents {
            log: manifest["log"].as_str().unwrap().into(),
            origin: manifest["origin"].as_str().unwrap().into(),
            from: manifest["from"].as_u64().unwrap(),
            to: manifest["to"].as_u64().unwrap(),
            frontier: Vec::new(),
            vkeys: Vec::new(),
            notes: vec![
                serde_json::from_str::<Value>(&lines[1]).unwrap()["checkpoint"].as_str().unwrap().into(),
            ],
            leaves: lines[2..].to_vec(),
        };
        verify_bundle(&contents.write().unwrap(), &vkeys)
    };
    forge(&|_| {}).unwrap();
    let edited = forge(&|lines| lines[4] = lines[4].replace("test.written", "test.written2"));
    assert_eq!(edited, Err(BundleError::History { from: 0, to: 12 }));
    let swapped = forge(&|lines| lines.swap(4, 5));
    assert!(matches!(swapped, Err(BundleError::Entry { index: 2, .. })), "{swapped:?}");
    let removed = forge(&|lines| drop(lines.remove(13)));
    assert!(matches!(removed, Err(BundleError::Malformed(_))), "{removed:?}");
    let relabelled = forge(&|lines| lines[0] = lines[0].replace("acme", "bcme"));
    assert!(matches!(relabelled, Err(BundleError::Checkpoint { .. })), "{relabelled:?}");
}

#[tokio::test]
async fn only_the_readers_own_keys_count() {
    let house = signed_log().await;
    let bundle = house.audit.export(&acme(), 0, None).await.unwrap();
    let other = House::open().await;
    let refused = verify_bundle(&bundle, &other.vkeys(&acme()).await);
    assert!(matches!(refused, Err(BundleError::Checkpoint { size: 12, .. })), "{refused:?}");
    assert!(matches!(verify_bundle(&bundle, &["nonsense"]), Err(BundleError::VerifierKey(_))));
    assert!(matches!(verify_bundle(b"", &[] as &[&str]), Err(BundleError::Malformed(_))));
}

#[tokio::test]
async fn a_bundle_across_a_rotation_needs_both_keys() {
    let house = signed_log().await;
    house.audit.rotate(&house.origin("system")).await.unwrap();
    house.write("acme", 2).await;
    house.publish().await;
    let vkeys = house.vkeys(&acme()).await;
    let bundle = house.audit.export(&acme(), 12, None).await.unwrap();
    assert_eq!(verify_bundle(&bundle, &vkeys).unwrap().to, 14);
    assert!(verify_bundle(&bundle, &vkeys[..1]).is_err());
    assert!(verify_bundle(&bundle, &vkeys[1..]).is_err());
}

#[tokio::test]
async fn what_is_not_signed_yet_is_not_exported() {
    let house = signed_log().await;
    house.write("acme", 2).await;
    assert_eq!(
        verify_bundle(&house.audit.export(&acme(), 5, None).await.unwrap(), &house.vkeys(&acme()).await)
            .unwrap()
            .to,
        12
    );
    assert!(matches!(house.audit.export(&acme(), 12, None).await, Err(AuditError::Unpublished { .. })));
    assert!(matches!(house.audit.export(&acme(), 0, Some(13)).await, Err(AuditError::Unpublished { .. })));
    for (from, to) in [(3, Some(3)), (0, Some(99)), (99, None)] {
        assert!(matches!(house.audit.export(&acme(), from, to).await, Err(AuditError::Invalid(_))));
    }
}
