//! Numbers of 64 bits and texts as words.

/// Returns the low word, then the high word.
pub(super) const fn halves(number: u64) -> (u32, u32) {
    (number as u32, (number >> 32) as u32)
}

/// Returns the number of words of a text: one for its length in bytes, then the padded bytes.
pub(super) const fn length(text: &str) -> usize {
    1 + text.len().div_ceil(4)
}

/// Writes a text into `words`, which is as long as [`length`] returns.
pub(super) fn write(text: &str, words: &mut [u32]) {
    let (length, words) = words.split_at_mut(1);
    length[0] = text.len() as u32;
    for (word, bytes) in words.iter_mut().zip(text.as_bytes().chunks(4)) {
        let mut padded = [0; 4];
        padded[..bytes.len()].copy_from_slice(bytes);
        *word = u32::from_ne_bytes(padded);
    }
}
