//! An audit bundle, as an auditor gets it: it proves what was signed, or nothing.
//!
//! The first line of the input is a verifier key, the rest the bundle.

use bulla_kernel::audit::verify_bundle;

pub const WORDS: &[&str] = &[
    "{\"checkpoint\":\"",
    "\"format\":\"bulla-audit-bundle/1\"",
    "\"frontier\":[",
    "\"from\":0",
    "\"to\":",
    "\"origin\":",
    "\"log\":",
    "\\u2014 ",
    "\\n",
    "\n",
    "18446744073709551615",
    "-1",
];

/// The key of nobody's log: RFC 8032, section 7.1, the public key of test 1, under the name `nobody`.
const NOBODY: &str = "nobody+f8bc2d45+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";

pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Some((key, bundle)) = text.split_once('\n') else { return };
    let keys = [key];
    if let Ok(summary) = verify_bundle(bundle.as_bytes(), &keys) {
        assert!(summary.from <= summary.to);
        assert_eq!(verify_bundle(bundle.as_bytes(), &keys), Ok(summary.clone()));
        // Trust comes from the key that the auditor has, never from the bundle.
        assert!(verify_bundle(bundle.as_bytes(), &[NOBODY]).is_err(), "a bundle is believed without its key");
        assert!(verify_bundle(bundle.as_bytes(), &[] as &[&str]).is_err());
        let lines = bundle.lines().count();
        assert!(summary.to - summary.from <= lines as u64, "{summary:?} of {lines} lines");
    }
}
