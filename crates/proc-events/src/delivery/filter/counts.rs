//! Summaries of many rules that are updated as rules are added and removed.

use rustc_hash::FxHashMap;

/// Ids for the texts that rules name. A lookup of a short id replaces a comparison of texts.
#[derive(Clone, Debug, Default)]
pub(super) struct TextIds {
    /// By text: its id, and the number of rules that name it.
    ids: FxHashMap<Box<str>, (u64, u32)>,
    last_id: u64,
}

impl TextIds {
    /// Returns the id of a text. Returns `None` if no rule names it.
    pub(super) fn id(&self, text: Option<&str>) -> Option<u64> {
        self.ids.get(text?).map(|(id, _)| *id)
    }

    pub(super) fn add(&mut self, text: Option<&str>) {
        let Some(text) = text else { return };
        if let Some((_, count)) = self.ids.get_mut(text) {
            *count += 1;
        } else {
            self.last_id += 1;
            self.ids.insert(text.into(), (self.last_id, 1));
        }
    }

    pub(super) fn remove(&mut self, text: Option<&str>) {
        let Some(text) = text else { return };
        if let Some((_, count)) = self.ids.get_mut(text) {
            *count -= 1;
            if *count == 0 {
                self.ids.remove(text);
            }
        }
    }
}

/// A multiset of latencies in milliseconds. Few differ, so that a list suffices.
#[derive(Clone, Debug, Default)]
pub(super) struct Latencies(Vec<(Option<u32>, u32)>);

impl Latencies {
    pub(super) fn add(&mut self, latency_ms: Option<u32>) {
        match self.0.iter_mut().find(|(known, _)| *known == latency_ms) {
            Some((_, count)) => *count += 1,
            None => self.0.push((latency_ms, 1)),
        }
    }

    /// Removes a latency that was added.
    pub(super) fn remove(&mut self, latency_ms: Option<u32>) {
        if let Some((_, count)) = self.0.iter_mut().find(|(known, _)| *known == latency_ms) {
            *count -= 1;
        }
        self.0.retain(|(_, count)| *count > 0);
    }

    /// Returns the least one, where `default_ms` stands for `None`; `u32::MAX` if there is none.
    pub(super) fn min(&self, default_ms: u32) -> u32 {
        self.0.iter().map(|(latency_ms, _)| latency_ms.unwrap_or(default_ms)).min().unwrap_or(u32::MAX)
    }
}

/// A multiset of bit masks: the count of each bit, and the union of the masks.
#[derive(Clone, Debug, Default)]
pub(super) struct BitCounts {
    counts: [u32; 11],
    pub(super) mask: u16,
}

impl BitCounts {
    pub(super) fn add(&mut self, mask: u16) {
        self.mask |= mask;
        for bit in bits(mask) {
            if let Some(count) = self.counts.get_mut(bit) {
                *count += 1;
            }
        }
    }

    /// Removes a mask that was added.
    pub(super) fn remove(&mut self, mask: u16) {
        for bit in bits(mask) {
            if let Some(count) = self.counts.get_mut(bit) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.mask &= !(1 << bit);
                }
            }
        }
    }
}

/// Returns the places of the bits that are set.
fn bits(mut mask: u16) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let first = mask.trailing_zeros();
        mask &= mask.checked_sub(1)?;
        Some(first as usize)
    })
}
