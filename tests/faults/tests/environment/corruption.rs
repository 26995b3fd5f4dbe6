//! A database whose bytes are not what was written.

use std::fs;
use std::path::{Path, PathBuf};

use bulla_base::{Rng, SeededRng};
use bulla_faults::scan;
use bulla_suite::invoices::{self, numbered, submit};
use bulla_suite::{Bench, Receiver, Reply, Tenant};

use crate::no_panic;

/// Pages that are tried: the first, and so many drawn from the others.
const DRAWN: usize = 9;

/// A host with some history, stopped, and what it says of itself.
struct Company {
    bench: Bench,
    acme: Tenant,
    receiver: Receiver,
    numbers: Vec<String>,
    /// The database as it should be.
    pristine: Vec<u8>,
}

impl Company {
    fn new() -> Self {
        let receiver = Receiver::willing();
        let mut bench = Bench::start();
        let acme = invoices::tenant(&bench, "acme", &receiver.origin());
        for key in 0..40 {
            let key = format!("k{key}");
            submit(&acme, &key, &numbered("standard", &key), &receiver.url("/invoices")).ok();
        }
        receiver.wait_for(40);
        let numbers = acme.numbers("invoice");
        scan::after_stop(&mut bench.server);
        let pristine = fs::read(database(&bench)).unwrap();
        Self { bench, acme, receiver, numbers, pristine }
    }

    /// Starts a server on these bytes. Whatever it answers is right or a refusal that names the reason; then the scan judges.
    fn tried_with(&mut self, what: &str, bytes: &[u8]) -> Seen {
        let path = database(&self.bench);
        forget_log(&path);
        fs::write(&path, bytes).unwrap();
        let mut seen = Seen::default();
        match self.bench.server.try_start_again() {
            Ok(()) => {
                self.asked(what, &mut seen);
                self.bench.server.kill();
            }
            Err(status) => {
                assert_eq!(status.code(), Some(70), "{what}: {}", self.bench.server.log());
                seen.refused_start = true;
            }
        }
        no_panic(&self.bench.server);
        forget_log(&path);
        fs::write(&path, bytes).unwrap();
        let judged = self.bench.server.data().cli(["doctor", "--scan"]).run();
        seen.found = judged.code != Some(0);
        assert!(!judged.stderr.contains("panicked"), "{what}: {}", judged.stderr);
        if seen.found {
            let named = ["store-corrupt", "scan-found"].iter().any(|code| judged.stderr.contains(code));
            assert!(named, "{what}: {}", judged.stderr);
        }
        seen
    }

    fn asked(&mut self, what: &str, seen: &mut Seen) {
        self.bench.follow(&mut [&mut self.acme]);
        let acme = &self.acme;
        let path = |rest: &str| acme.path(rest);
        for rest in
            ["/addons", "/jobs", "/approvals", "/audit?limit=1000", "/audit/verify", "/secrets", "/keys"]
        {
            seen.judge(what, &acme.operator.get(&path(rest)));
        }
        let numbers = acme.admin.get(&path("/sequences/invoice/numbers?limit=1000"));
        if seen.judge(what, &numbers) {
            let texts: Vec<_> = numbers
                .data()
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["text"].as_str().unwrap().to_owned())
                .collect();
            assert!(texts.iter().all(|text| self.numbers.contains(text)), "{what}: {texts:?}");
        }
        let to = self.receiver.url("/invoices");
        // A repeat of what was answered is answered the same, or not at all.
        let again = submit(acme, "k7", &numbered("standard", "k7"), &to);
        if seen.judge(what, &again) {
            assert!(self.numbers.contains(&again.data()["number"].as_str().unwrap().to_owned()), "{what}");
        }
        let new = submit(acme, "new", &numbered("standard", "new"), &to);
        if seen.judge(what, &new) {
            assert!(
                !self.numbers.contains(&new.data()["number"].as_str().unwrap().to_owned()),
                "{what}: given twice"
            );
        }
    }
}

#[derive(Debug, Default)]
struct Seen {
    refused_start: bool,
    /// So many answers said `store-corrupt`.
    corrupt: usize,
    found: bool,
}

impl Seen {
    /// True for a success. The only refusals are that the database is corrupt, or that the token or a row is not there any more.
    fn judge(&mut self, what: &str, reply: &Reply) -> bool {
        let code = match reply.body["code"].as_str().unwrap_or("ok") {
            // What a host function could not read it told its guest, and the addon passes it on.
            "guest-error" if reply.body["details"]["code"] == "unavailable" => "store-corrupt",
            code => code,
        };
        let expected =
            ["ok", "store-corrupt", "unauthenticated", "not-found", "audit-tampered"].contains(&code);
        assert!(expected, "{what}: {} {}", reply.status, reply.text);
        self.corrupt += usize::from(code == "store-corrupt");
        code == "ok"
    }
}

#[test]
fn a_damaged_page_is_named_and_never_answered_from() {
    let mut company = Company::new();
    let size = usize::from(u16::from_be_bytes(company.pristine[16..18].try_into().unwrap()));
    let pages = company.pristine.len() / size;
    assert!(pages > 20, "{pages} pages");
    let rng = SeededRng::new(4711);
    let drawn = (0..DRAWN).map(|_| 1 + (rng.below(pages as u64 - 1) as usize));
    let mut shown = 0;
    for page in std::iter::once(0).chain(drawn) {
        let mut bytes = company.pristine.clone();
        let at = page * size;
        for (offset, byte) in bytes[at..at + size].iter_mut().enumerate() {
            *byte ^= (offset as u8) | 0x5a;
        }
        let seen = company.tried_with(&format!("page {}", page + 1), &bytes);
        eprintln!("page {} of {pages}: {seen:?}", page + 1);
        assert!(seen.found, "the scan does not see that page {} is damaged", page + 1);
        shown += usize::from(seen.refused_start || seen.corrupt > 0);
    }
    assert!(shown > 0, "no server met a damaged page");
    restored(company);
}

#[test]
fn a_shortened_database_is_refused_or_named() {
    let mut company = Company::new();
    for (what, length) in
        [("half", company.pristine.len() / 2), ("odd", company.pristine.len() - 1_000), ("empty header", 50)]
    {
        let bytes = company.pristine[..length].to_vec();
        let seen = company.tried_with(what, &bytes);
        eprintln!("{what}: {seen:?}");
        assert!(seen.found, "{what}: the scan does not see it");
        assert!(seen.refused_start || seen.corrupt > 0, "{what}: nobody was told");
    }
    restored(company);
}

/// SQLite ends its log at the first frame that does not check: what was committed before it is there, as a whole, and what came after
/// is not. A log cannot tell that from a crash; the auditor's checkpoint can.
#[test]
fn a_damaged_log_loses_its_end_and_nothing_before_it() {
    let mut company = Company::new();
    company.bench.server.start_again();
    company.bench.follow(&mut [&mut company.acme]);
    let to = company.receiver.url("/invoices");
    for key in 0..20 {
        let key = format!("w{key}");
        submit(&company.acme, &key, &numbered("standard", &key), &to).ok();
    }
    let acknowledged = company.acme.numbers("invoice");
    company.bench.server.kill();
    let log = PathBuf::from(format!("{}-wal", database(&company.bench).display()));
    let mut bytes = fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 100].iter_mut().for_each(|byte| *byte ^= 0xff);
    fs::write(&log, bytes).unwrap();

    company.bench.server.start_again();
    company.bench.follow(&mut [&mut company.acme]);
    let numbers = company.acme.numbers("invoice");
    assert!(numbers.len() >= company.numbers.len() && acknowledged.starts_with(&numbers), "{numbers:?}");
    submit(&company.acme, "afterwards", &numbered("standard", "afterwards"), &to).ok();
    assert!(company.acme.verify_audit()["fault"].is_null());
    scan::after_stop(&mut company.bench.server);
    no_panic(&company.bench.server);
}

/// With the copy in its place everything is as before.
fn restored(mut company: Company) {
    let path = database(&company.bench);
    forget_log(&path);
    fs::write(&path, &company.pristine).unwrap();
    company.bench.server.start_again();
    company.bench.follow(&mut [&mut company.acme]);
    assert_eq!(company.acme.numbers("invoice"), company.numbers);
    let again = submit(&company.acme, "k7", &numbered("standard", "k7"), &company.receiver.url("/invoices"));
    assert_eq!(again.ok()["replayed"], true);
    scan::after_stop(&mut company.bench.server);
}

fn database(bench: &Bench) -> PathBuf {
    bench.server.data().path().join("bulla.db")
}

/// What the log of another state says is not to be mixed in.
fn forget_log(database: &Path) {
    for suffix in ["-wal", "-shm"] {
        // None is there after a stop.
        let _absent = fs::remove_file(format!("{}{suffix}", database.display()));
    }
}
