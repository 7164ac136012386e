//! The nesting of a JSON text.

use alloc::vec::Vec;

/// The open arrays (`false`) and objects (`true`), innermost last: a stack of bits, which allocates from the 65th on.
#[derive(Default)]
pub(super) struct Brackets {
    /// The innermost ones, up to 64: the last one is the lowest bit.
    bits: u64,
    depth: usize,
    outer: Vec<u64>,
}

impl Brackets {
    #[inline]
    pub(super) fn push(&mut self, is_object: bool) {
        if self.depth % 64 == 0 && self.depth > 0 {
            self.outer.push(self.bits);
        }
        self.bits = self.bits << 1 | u64::from(is_object);
        self.depth += 1;
    }

    #[inline]
    pub(super) fn last(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.bits & 1 == 1)
    }

    #[inline]
    pub(super) fn pop(&mut self) {
        self.depth -= 1;
        self.bits >>= 1;
        if self.depth % 64 == 0 && self.depth > 0 {
            self.bits = self.outer.pop().unwrap_or_default();
        }
    }
}
