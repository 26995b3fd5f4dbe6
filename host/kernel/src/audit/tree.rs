//! The Merkle tree of RFC 6962, section 2.1, as far as appending needs it. Pure; the arithmetic is `tlog_tiles`'s.

use tlog_tiles::{Hash, HashReader, node_hash, record_hash, stored_hash_index, tree_hash};

/// Sizes beyond this are not read from outside: JSON numbers are exact up to here (RFC 8785, section 3.2.2.3).
pub(super) const MAX_SIZE: u64 = 1 << 53;

pub(super) type Digest = [u8; 32];

/// The leaf hash: SHA-256 over `0x00` and the leaf.
pub(super) fn leaf_hash(leaf: &[u8]) -> Digest {
    record_hash(leaf).0
}

/// The roots of the perfect subtrees that make up a tree of `size` leaves, from left to right: one for each bit of `size`.
/// It is all that is needed to append leaves and to know the root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Frontier {
    size: u64,
    roots: Vec<Digest>,
}

impl Frontier {
    /// `None` where the number of roots does not fit the size.
    pub fn new(size: u64, roots: Vec<Digest>) -> Option<Self> {
        (size <= MAX_SIZE && roots.len() as u64 == u64::from(size.count_ones()))
            .then_some(Self { size, roots })
    }

    /// The hashes as [`Frontier::written`] gave them.
    pub fn read(size: u64, written: &[String]) -> Option<Self> {
        let roots = written.iter().map(|text| digest_from_hex(text)).collect::<Option<Vec<_>>>()?;
        Self::new(size, roots)
    }

    pub fn written(&self) -> Vec<String> {
        self.roots.iter().map(hex::encode).collect()
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf. Each trailing one bit of the size is a subtree that the new leaf completes into a larger one.
    pub fn push(&mut self, leaf_hash: Digest) {
        let merged = self.size.trailing_ones() as usize;
        let keep = self.roots.len().saturating_sub(merged);
        let root =
            self.roots.drain(keep..).rev().fold(Hash(leaf_hash), |right, left| node_hash(Hash(left), right));
        self.roots.push(root.0);
        self.size += 1;
    }

    /// The root of the tree; of an empty one the SHA-256 of nothing.
    pub fn root(&self) -> Digest {
        // `read_hashes` knows every index that `tree_hash` asks for, so there is no error to expect.
        tree_hash(self.size, self).map_or(Digest::default(), |hash| hash.0)
    }
}

impl HashReader for Frontier {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        let mut known = Vec::with_capacity(self.roots.len());
        let mut start = 0;
        for (level, root) in (0..64u8).rev().filter(|level| self.size >> level & 1 == 1).zip(&self.roots) {
            known.push((stored_hash_index(level, start >> level), Hash(*root)));
            start += 1u64 << level;
        }
        let find = |index: &u64| known.iter().find(|(at, _)| at == index).map(|(_, hash)| *hash);
        indexes.iter().map(find).collect::<Option<_>>().ok_or(tlog_tiles::Error::IndexesNotInTree)
    }
}

/// 64 lower-case hex digits.
pub(super) fn digest_from_hex(text: &str) -> Option<Digest> {
    let mut digest = Digest::default();
    hex::decode_to_slice(text, &mut digest).ok()?;
    (hex::encode(digest) == text).then_some(digest)
}
