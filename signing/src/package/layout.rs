//! Where the parts stand in the file. Nothing is copied and nothing is believed: lengths are bounded before they are used.

use std::ops::Range;

use bulla_base::Bytes;

use super::{PackageBounds, PackageError, Part};
use crate::key::SIGNATURE_LEN;

pub(super) const MAGIC: &[u8; 8] = b"BULLAPK1";
const HEADER_LEN: usize = 20;

/// The parts of one file, as ranges of its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) statement: Range<usize>,
    pub(crate) signature: Range<usize>,
    pub(crate) manifest: Range<usize>,
    pub(crate) component: Range<usize>,
}

impl Layout {
    /// Refusals in order of precedence: another magic, a short header, an empty or large part (in the order of the file), a short
    /// file, a long file.
    pub(crate) fn read(bytes: &[u8], bounds: &PackageBounds) -> Result<Self, PackageError> {
        if bytes.get(..MAGIC.len()) != Some(MAGIC.as_slice()) {
            return Err(PackageError::NotAPackage);
        }
        let actual = bytes.len() as u64;
        let length = |at: usize| {
            let field = bytes.get(at..at + 4).and_then(|field| <[u8; 4]>::try_from(field).ok());
            let short = PackageError::Truncated { expected: HEADER_LEN as u64, actual };
            field.map(u32::from_le_bytes).ok_or(short)
        };
        let (statement, manifest, component) = (length(8)?, length(12)?, length(16)?);
        check_part(Part::Statement, statement.into(), bounds.statement)?;
        check_part(Part::Manifest, manifest.into(), bounds.manifest)?;
        check_part(Part::Component, component.into(), bounds.component)?;
        // Four parts below 2^32 each: the sum fits 64 bits.
        let expected = (HEADER_LEN + SIGNATURE_LEN) as u64
            + u64::from(statement)
            + u64::from(manifest)
            + u64::from(component);
        if actual < expected {
            return Err(PackageError::Truncated { expected, actual });
        }
        if actual > expected {
            return Err(PackageError::Trailing { extra: actual - expected });
        }
        let mut end = HEADER_LEN;
        let mut next = |len: usize| {
            let start = end;
            end += len;
            start..end
        };
        Ok(Self {
            statement: next(statement as usize),
            signature: next(SIGNATURE_LEN),
            manifest: next(manifest as usize),
            component: next(component as usize),
        })
    }
}

pub(super) fn check_part(part: Part, size: u64, max: Bytes) -> Result<(), PackageError> {
    // The length field has 32 bits, whatever the bound says.
    let max = max.get().min(u32::MAX.into());
    match size {
        0 => Err(PackageError::Empty { part }),
        _ if size > max => Err(PackageError::TooLarge { part, size, max }),
        _ => Ok(()),
    }
}

pub(super) fn write(
    statement: &[u8],
    signature: &[u8; SIGNATURE_LEN],
    manifest: &[u8],
    component: &[u8],
) -> Result<Vec<u8>, PackageError> {
    let body = [statement, signature, manifest, component];
    let mut bytes = Vec::with_capacity(HEADER_LEN + body.iter().map(|part| part.len()).sum::<usize>());
    bytes.extend_from_slice(MAGIC);
    for (part, content) in
        [(Part::Statement, statement), (Part::Manifest, manifest), (Part::Component, component)]
    {
        let max = u64::from(u32::MAX);
        let size = content.len();
        let length =
            u32::try_from(size).map_err(|_| PackageError::TooLarge { part, size: size as u64, max })?;
        bytes.extend_from_slice(&length.to_le_bytes());
    }
    body.iter().for_each(|part| bytes.extend_from_slice(part));
    Ok(bytes)
}
