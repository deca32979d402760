//! The cost in an event record.

use proc_events::ResourceUsage;

use super::text;

/// The numbers of a cost.
const NUMBERS: usize = 9;
/// Length of a cost, in words: the mask of the known numbers, then two words a number.
pub(super) const LENGTH: usize = 1 + 2 * NUMBERS;

/// Writes a cost into [`LENGTH`] words. An unknown number is 0.
pub(super) fn write(usage: &ResourceUsage, words: &mut [u32]) {
    let numbers: [Option<u64>; NUMBERS] = [
        Some(usage.cpu_ns),
        usage.max_rss_bytes,
        usage.read_bytes,
        usage.write_bytes,
        usage.minor_faults,
        usage.major_faults,
        usage.voluntary_switches,
        usage.involuntary_switches,
        usage.cpu_delay_ns,
    ];
    let (mask, words) = words.split_at_mut(1);
    mask[0] = 0;
    for (place, (target, number)) in words.as_chunks_mut().0.iter_mut().zip(numbers).enumerate() {
        mask[0] |= u32::from(number.is_some()) << place;
        *target = text::halves(number.unwrap_or(0)).into();
    }
}
