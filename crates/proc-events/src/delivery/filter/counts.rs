//! Summaries of many rules, kept up to date as each rule comes and goes.

use rustc_hash::FxHashMap;

/// A number for each text that some rule names.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    /// With how many rules name it.
    known: FxHashMap<Box<str>, (u64, u32)>,
    last: u64,
}

impl Texts {
    pub(super) fn number(&self, text: Option<&str>) -> Option<u64> {
        self.known.get(text?).map(|(number, _)| *number)
    }

    pub(super) fn add(&mut self, text: Option<&str>) {
        let Some(text) = text else { return };
        if let Some((_, count)) = self.known.get_mut(text) {
            *count += 1;
        } else {
            self.last += 1;
            self.known.insert(text.into(), (self.last, 1));
        }
    }

    pub(super) fn remove(&mut self, text: Option<&str>) {
        let Some(text) = text else { return };
        if let Some((_, count)) = self.known.get_mut(text) {
            *count -= 1;
            if *count == 0 {
                self.known.remove(text);
            }
        }
    }
}

/// How often each bit is set in a multiset of masks, and which are set at all.
#[derive(Clone, Debug, Default)]
pub(super) struct BitCounts {
    counts: [u32; 9],
    pub(super) mask: u16,
}

impl BitCounts {
    pub(super) fn add(&mut self, mask: u16) {
        self.mask |= mask;
        for count in self.of(mask) {
            *count += 1;
        }
    }

    /// Takes away a mask that was added.
    pub(super) fn remove(&mut self, mask: u16) {
        for count in self.of(mask) {
            *count = count.saturating_sub(1);
        }
        self.mask = (0..).zip(&self.counts).map(|(bit, count)| u16::from(*count != 0) << bit).sum();
    }

    fn of(&mut self, mask: u16) -> impl Iterator<Item = &mut u32> {
        self.counts
            .iter_mut()
            .enumerate()
            .filter(move |(bit, _)| mask & 1 << bit != 0)
            .map(|(_, count)| count)
    }
}
