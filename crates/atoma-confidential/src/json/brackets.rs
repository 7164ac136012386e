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
        if self.depth % 64 == 0 {
            self.bits = self.outer.pop().unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_returned_in_reverse_at_any_depth() {
        let kind = |depth: usize| depth % 3 == 0 || depth % 64 == 1;
        for depth in [1, 2, 63, 64, 65, 127, 128, 129, 200] {
            let mut open = Brackets::default();
            (0..depth).for_each(|at| open.push(kind(at)));
            for at in (0..depth).rev() {
                assert_eq!(open.last(), Some(kind(at)), "{at} of {depth}");
                open.pop();
            }
            assert_eq!(open.last(), None);
        }
    }

    #[test]
    fn only_brackets_beyond_the_64th_allocate() {
        let mut open = Brackets::default();
        (0..64).for_each(|_| open.push(true));
        assert_eq!(open.outer.capacity(), 0);
        open.push(true);
        assert_eq!(open.outer.len(), 1);
    }
}
