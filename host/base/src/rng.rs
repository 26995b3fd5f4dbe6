//! Randomness is a parameter. Two kinds that do not mix: [`Rng`] may be replayed, [`Entropy`] never.

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

/// Randomness for identifiers and jitter. A replay may fix it.
pub trait Rng: Send + Sync + 'static {
    fn fill(&self, bytes: &mut [u8]);

    /// Uniform in `0..bound` but for a bias below 2^-32 (`bound` at most 2^32); `0` for a bound of `0`.
    fn below(&self, bound: u64) -> u64 {
        let mut bytes = [0u8; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes).checked_rem(bound).unwrap_or(0)
    }
}

/// The operating system's generator.
pub struct SystemRng;

impl Rng for SystemRng {
    fn fill(&self, bytes: &mut [u8]) {
        Entropy.fill(bytes);
    }
}

/// SHA-256 over a seed and a counter: the same seed gives the same bytes.
pub struct SeededRng {
    seed: u64,
    counter: Mutex<u64>,
}

impl SeededRng {
    pub fn new(seed: u64) -> Self {
        Self { seed, counter: Mutex::new(0) }
    }
}

impl Rng for SeededRng {
    fn fill(&self, bytes: &mut [u8]) {
        let mut counter = self.counter.lock();
        for chunk in bytes.chunks_mut(32) {
            let block = Sha256::new()
                .chain_update(self.seed.to_le_bytes())
                .chain_update(counter.to_le_bytes())
                .finalize();
            chunk.copy_from_slice(&block[..chunk.len()]);
            *counter += 1;
        }
    }
}

/// Randomness for keys, tokens and nonces: always the operating system's, with no way to fix it.
pub struct Entropy;

impl Entropy {
    /// Ends the process where the operating system has no randomness: no key may be made without.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the ambient generator")]
    pub fn fill(&self, bytes: &mut [u8]) {
        if getrandom::fill(bytes).is_err() {
            std::process::abort();
        }
    }

    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0u8; N];
        self.fill(&mut bytes);
        bytes
    }
}
