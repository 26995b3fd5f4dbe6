//! What the addon does when it is called.
//!
//! `submit` checks a document and asks for approval; `issue` numbers, signs and hands over to the job `deliver`. Where nobody has to
//! approve, `submit` issues at once; else the kernel calls `issue` after a positive decision. Whoever calls `issue` directly is
//! held to the same rules, so approval cannot be walked around.

use bulla::prelude::*;
use bulla::{Facts, Signature};

use crate::model::Invoice;
use crate::reference::{object_ref, sha256_hex};
use crate::refusal;
use crate::{examine, json};

/// What a continuation and a job can carry, in bytes; the kernel's limit.
const MAX_PAYLOAD: usize = 256 * 1024;
/// What stands beside the document and the signed form in a job's payload, at most: address, number, signature, names.
const PAYLOAD_FRAME: usize = 4 * 1024;
/// Up to this size of a document, in bytes, it fits however it is made up: its signed form is less than three times as long.
const SURELY_FITS: usize = 40 * 1024;
/// The most characters of the supplier's name in a fact.
const MAX_SUPPLIER: usize = 200;

/// A document, and where it goes once it is issued.
#[data]
#[serde(rename_all = "kebab-case")]
pub struct Submission {
    /// The UBL 2.1 invoice or credit note. About 110 KiB fit through approval and delivery; 50M of fuel
    /// serve about 70 KiB.
    pub document: Bytes,
    /// The receiver's URL. The host refuses one that the operator has not granted.
    #[schemars(length(min = 1, max = 2_000))]
    pub deliver_to: String,
}

/// What became of a submission.
#[data]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Submitted {
    Issued(Issued),
    Waiting(Waiting),
}

/// The request for approval waits for a decision.
#[data(open)]
#[serde(rename_all = "kebab-case")]
pub struct Waiting {
    /// The id of the request.
    pub approval: String,
    /// Of whom one must decide.
    pub approvers: Vec<String>,
    /// Why, by the rules that applied.
    pub rationale: Vec<String>,
    pub object: String,
}

/// A numbered and signed invoice.
#[data(open)]
#[serde(rename_all = "kebab-case")]
pub struct Issued {
    pub number: String,
    /// The invoice as the platform names it.
    pub object: String,
    pub document_sha256: String,
    pub signature: Bytes,
    pub algorithm: String,
    pub key_version: u32,
    /// The id of the delivery job.
    pub job: String,
}

/// A document to be checked.
#[data]
pub struct Document {
    pub document: Bytes,
}

/// What the check of a document gave.
#[data]
pub struct Checked {
    pub valid: bool,
    pub findings: Vec<Broken>,
    /// `None` where the document could not be read that far.
    pub totals: Option<CheckedTotals>,
}

/// A rule that is broken.
#[data]
pub struct Broken {
    pub rule: String,
    pub message: String,
    pub location: String,
    pub expected: Option<String>,
    pub found: Option<String>,
}

/// The totals as the document states them, as decimal texts.
#[data]
#[serde(rename_all = "kebab-case")]
pub struct CheckedTotals {
    pub currency: String,
    pub without_vat: Option<String>,
    pub with_vat: Option<String>,
    pub payable: Option<String>,
}

/// An issued invoice on its way to the receiver.
#[data]
#[serde(rename_all = "kebab-case")]
pub struct Delivery {
    pub to: String,
    pub object: String,
    pub number: String,
    pub document: Bytes,
    /// The canonical JSON that was signed.
    pub signed: Bytes,
    pub signature: Signature,
}

/// That it arrived.
#[data]
pub struct Delivered {
    pub number: String,
    /// The receiver's status.
    pub status: u16,
}

/// What the receiver gets: enough to check the signature with the tenant's public key alone.
#[derive(Serialize)]
#[serde(crate = "bulla::serde", rename_all = "kebab-case")]
struct Message<'a> {
    number: &'a str,
    document: &'a Bytes,
    signed: &'a Bytes,
    signature: &'a Bytes,
    algorithm: &'a str,
    key_version: u32,
}

/// Checks an invoice, and issues it at once or once it is approved.
///
/// Refuses with `invalid-invoice` and all findings, `document-too-large`, `already-issued`, and what the kernel refuses with.
#[action]
pub fn submit(call: &Call, submission: Submission) -> Result<Submitted> {
    let accepted = Accepted::read(&submission)?;
    let approvals = call.approvals("invoice.issue")?;
    let subject = Subject::new(&accepted.object, &accepted.digest);
    let request = approvals.request(accepted.facts(), subject, then("issue", &submission))?;
    let Some(approval) = request.id() else {
        return Ok(Submitted::Issued(accepted.issue(call, submission)?));
    };
    let verdict = approvals.evaluate(accepted.facts())?;
    Ok(Submitted::Waiting(Waiting {
        approval: approval.to_owned(),
        approvers: verdict.approvers,
        rationale: verdict.rationale,
        object: accepted.object,
    }))
}

/// Numbers, signs and delivers an invoice that is approved, or needs no approval.
///
/// The kernel calls it after a positive decision. Refuses like `submit`, and with `approval-required`.
#[action]
pub fn issue(call: &Call, submission: Submission) -> Result<Issued> {
    let accepted = Accepted::read(&submission)?;
    if call.approval().is_none() {
        let verdict = call.approvals("invoice.issue")?.evaluate(accepted.facts())?;
        if verdict.required {
            return Err(Error::new("approval-required", "this invoice must be approved: submit it")
                .with_details(bulla::serde_json::json!({ "approvers": verdict.approvers })));
        }
    }
    accepted.issue(call, submission)
}

/// Checks a document and says what is wrong with it. Has no effect.
#[action]
pub fn validate(_call: &Call, document: Document) -> Result<Checked> {
    let (invoice, findings) = examine(&document.document);
    let totals = invoice.map(|invoice| CheckedTotals {
        without_vat: invoice.totals.without_vat.map(|amount| amount.to_string()),
        with_vat: invoice.totals.with_vat.map(|amount| amount.to_string()),
        payable: invoice.totals.payable.map(|amount| amount.to_string()),
        currency: invoice.currency,
    });
    Ok(Checked {
        valid: findings.is_empty(),
        findings: findings.into_iter().map(Broken::from).collect(),
        totals,
    })
}

/// Posts an issued invoice to the receiver. Anything but a 2xx is a failure, and is tried again.
#[job]
pub fn deliver(call: &Call, delivery: Delivery) -> Result<Delivered> {
    let message = Message {
        number: &delivery.number,
        document: &delivery.document,
        signed: &delivery.signed,
        signature: &delivery.signature.bytes,
        algorithm: &delivery.signature.algorithm,
        key_version: delivery.signature.key_version,
    };
    let request = Request::post(&delivery.to).json(&message);
    let response = call.secret("receiver_token", "delivery")?.send(request)?.error_for_status()?;
    let attempt = call.job().map(|job| job.attempt.to_string()).unwrap_or_default();
    let detail = [
        ("number", delivery.number.as_str()),
        ("status", &response.status.to_string()),
        ("attempt", &attempt),
    ];
    call.audit("invoice.delivered", &delivery.object, &detail)?;
    Ok(Delivered { number: delivery.number, status: response.status })
}

/// A document that keeps every rule.
struct Accepted {
    invoice: Invoice,
    object: String,
    /// SHA-256 of the submitted bytes, in hex.
    digest: String,
}

impl Accepted {
    /// Refuses with `invalid-invoice`, `document-too-large`.
    fn read(submission: &Submission) -> Result<Self> {
        let invoice = crate::accept(&submission.document).map_err(refusal::of)?;
        let accepted =
            Self { object: object_ref(&invoice), digest: sha256_hex(&submission.document), invoice };
        accepted.check_size(submission.document.len())?;
        Ok(accepted)
    }

    /// Told on submission, not when the approved invoice cannot be handed to its delivery.
    fn check_size(&self, document: usize) -> Result<()> {
        if document <= SURELY_FITS {
            return Ok(());
        }
        let signed = json::signed_len(&self.invoice, "", &self.digest).or_refuse("unsignable")?;
        let bytes = document + signed;
        if bytes.div_ceil(3) * 4 + PAYLOAD_FRAME > MAX_PAYLOAD {
            let message = "the document and its signed form do not fit into a job of 256 KiB";
            return Err(Error::new("document-too-large", message));
        }
        Ok(())
    }

    /// What the approval rules decide from. `total` is the amount due; `gross` the total with VAT, whatever was prepaid.
    fn facts(&self) -> Facts {
        let totals = &self.invoice.totals;
        let text = |amount: &Option<crate::amount::Amount>| {
            amount.as_ref().map(ToString::to_string).unwrap_or_default()
        };
        let supplier: String = self.invoice.seller.name.chars().take(MAX_SUPPLIER).collect();
        facts! {
            total: Decimal(text(&totals.payable)),
            gross: Decimal(text(&totals.with_vat)),
            currency: &self.invoice.currency,
            kind: self.invoice.kind.name(),
            supplier: supplier,
        }
    }

    /// Refuses with `already-issued`.
    fn issue(self, call: &Call, submission: Submission) -> Result<Issued> {
        let number = call.sequence("invoice")?.reserve_on(&self.invoice.issue_date)?;
        let number = number.commit(&self.object).map_err(|error| match error.code() {
            "conflict" => Error::new("already-issued", format!("`{}` already has a number", self.object)),
            _ => error,
        })?;
        let signed = self.signed(&number)?;
        let signature = call.key("einvoice_signing", "invoice")?.sign(&signed)?;
        let version = signature.key_version.to_string();
        let detail =
            [("number", number.as_str()), ("document-sha256", &self.digest), ("key-version", &version)];
        call.audit("invoice.issued", &self.object, &detail)?;
        let delivery = Delivery {
            to: submission.deliver_to,
            object: self.object.clone(),
            number: number.clone(),
            document: submission.document,
            signed: Bytes(signed),
            signature: signature.clone(),
        };
        let job = call.enqueue_with("deliver", &delivery, JobOptions::new().unique_key(&self.object))?;
        Ok(Issued {
            number,
            object: self.object,
            document_sha256: self.digest,
            signature: signature.bytes,
            algorithm: signature.algorithm,
            key_version: signature.key_version,
            job,
        })
    }

    fn signed(&self, number: &str) -> Result<Vec<u8>> {
        json::signed_bytes(&self.invoice, number, &self.digest).or_refuse("unsignable")
    }
}

impl From<crate::finding::Finding> for Broken {
    fn from(finding: crate::finding::Finding) -> Self {
        let crate::finding::Finding { rule, message, location, expected, found } = finding;
        Self { rule: rule.to_owned(), message, location, expected, found }
    }
}
