//! The Merkle tree of RFC 6962, section 2.1 (the same in RFC 9162, section 2.1), leaf by leaf. Pure.

use sha2::{Digest as _, Sha256};

pub(crate) type Digest = [u8; 32];

/// SHA-256 over `0x00` and the leaf.
pub(crate) fn leaf_hash(leaf: &[u8]) -> Digest {
    Sha256::new().chain_update([0x00]).chain_update(leaf).finalize().into()
}

/// SHA-256 over `0x01` and both children.
fn node_hash(left: &Digest, right: &Digest) -> Digest {
    Sha256::new().chain_update([0x01]).chain_update(left).chain_update(right).finalize().into()
}

/// A tree that grows to the right. Of its nodes it keeps the roots of the perfect subtrees, at most 64.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    size: u64,
    /// From left to right, each with its height; heights fall.
    peaks: Vec<(u32, Digest)>,
}

impl Tree {
    /// A tree of which only the peaks are known. `None` where their number does not fit the size.
    pub fn resume(size: u64, roots: &[Digest]) -> Option<Self> {
        let heights = (0..u64::BITS).rev().filter(|height| size >> height & 1 == 1);
        let fits = roots.len() == size.count_ones() as usize;
        fits.then(|| Self { size, peaks: heights.zip(roots.iter().copied()).collect() })
    }

    pub fn push(&mut self, leaf: Digest) {
        let mut peak = (0, leaf);
        while let Some((height, left)) = self.peaks.pop_if(|(height, _)| *height == peak.0) {
            peak = (height + 1, node_hash(&left, &peak.1));
        }
        self.peaks.push(peak);
        self.size += 1;
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    /// Of an empty tree: the SHA-256 of nothing.
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev().map(|(_, root)| *root);
        match peaks.next() {
            Some(last) => peaks.fold(last, |right, left| node_hash(&left, &right)),
            None => Sha256::digest([]).into(),
        }
    }
}

/// 64 lower-case hex digits.
pub(crate) fn digest(text: &str) -> Option<Digest> {
    let mut digest = Digest::default();
    hex::decode_to_slice(text, &mut digest).ok()?;
    (hex::encode(digest) == text).then_some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition itself: MTH(D[n]) splits at the largest power of two below n.
    fn mth(leaves: &[Vec<u8>]) -> Digest {
        match leaves {
            [] => Sha256::digest([]).into(),
            [leaf] => leaf_hash(leaf),
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                node_hash(&mth(&leaves[..split]), &mth(&leaves[split..]))
            }
        }
    }

    #[test]
    fn roots_are_those_of_the_definition() {
        let leaves: Vec<Vec<u8>> = (0u8..70).map(|n| vec![n; n as usize]).collect();
        let mut tree = Tree::default();
        assert_eq!(tree.root(), mth(&[]));
        for n in 0..leaves.len() {
            tree.push(leaf_hash(&leaves[n]));
            assert_eq!(tree.root(), mth(&leaves[..=n]), "{n}");
            let roots: Vec<Digest> = tree.peaks.iter().map(|(_, root)| *root).collect();
            assert_eq!(Tree::resume(tree.size(), &roots), Some(tree.clone()));
            assert!(Tree::resume(tree.size() + 1, &roots).is_none_or(|other| other != tree));
        }
    }

    #[test]
    fn known_hashes() {
        // The first two are in the test vectors of RFC 6962's reference implementation.
        assert_eq!(
            hex::encode(Tree::default().root()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(
            hex::encode(leaf_hash(b"")),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
        assert!(digest("6E340B9CFFB37A989CA544E6BB780A2C78901D3FB33738768511A30617AFA01D").is_none());
    }
}
