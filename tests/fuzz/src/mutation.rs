//! Mutations of inputs, the same for the same seed.

use bulla_base::{Rng, SeededRng};

/// Larger inputs are cut.
const MAX: usize = 64 << 10;
/// Numbers at the edges of what formats count with.
const EDGES: &[u64] =
    &[0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, u64::MAX];

/// Makes new inputs of old ones.
pub struct Mutations<'a> {
    rng: SeededRng,
    corpus: &'a [Vec<u8>],
    words: &'a [&'a str],
}

impl<'a> Mutations<'a> {
    /// `corpus` has at least one input.
    pub fn new(seed: u64, corpus: &'a [Vec<u8>], words: &'a [&'a str]) -> Self {
        Self { rng: SeededRng::new(seed), corpus, words }
    }

    pub fn draw(&mut self) -> Vec<u8> {
        let mut bytes = self.one().to_vec();
        for _ in 0..=self.below(6) {
            self.change(&mut bytes);
        }
        bytes.truncate(MAX);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len() + 1);
        match self.below(9) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 if at < bytes.len() => bytes[at] = self.byte(),
            2 => {
                let some = (0..=self.below(8)).map(|_| self.byte()).collect::<Vec<_>>();
                insert(bytes, at, &some);
            }
            3 => drop(bytes.drain(at..self.end(bytes, at))),
            4 => {
                let again = bytes[at..self.end(bytes, at)].to_vec();
                insert(bytes, at, &again);
            }
            5 => {
                let other = self.one();
                let from = self.below(other.len() + 1);
                let piece = &other[from..self.end(other, from)];
                insert(bytes, at, piece);
            }
            6 => {
                let edge = EDGES[self.below(EDGES.len())].to_le_bytes();
                let width = 1 << self.below(4);
                let end = (at + width).min(bytes.len());
                bytes[at..end].copy_from_slice(&edge[..end - at]);
            }
            7 if !self.words.is_empty() => {
                let word = self.words[self.below(self.words.len())];
                insert(bytes, at, word.as_bytes());
            }
            _ => bytes.truncate(at),
        }
    }

    fn one(&mut self) -> &'a [u8] {
        &self.corpus[self.below(self.corpus.len())]
    }

    fn end(&mut self, bytes: &[u8], from: usize) -> usize {
        let most = if self.below(8) == 0 { 4_096 } else { 32 };
        (from + self.below(most)).min(bytes.len())
    }

    fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.rng.fill(&mut byte);
        byte[0]
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.rng.below(bound as u64)).unwrap()
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    bytes.splice(at..at, piece.iter().copied());
}
