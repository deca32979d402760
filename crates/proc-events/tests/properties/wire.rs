//! Datagrams, whole and damaged.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::oracles::wire::{KINDS, check};
use proc_events::connector::wire;

/// A datagram laid out by hand: `struct nlmsghdr`, `struct cn_msg`, `struct proc_event`.
fn datagram() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![9 => select(&KINDS[..]), 1 => any::<u32>()];
    (kind, any::<[u32; 2]>(), any::<u32>(), any::<u64>(), any::<[u32; 6]>()).prop_map(
        |(kind, [seq, ack], cpu, timestamp_ns, payload)| {
            let mut bytes = Vec::new();
            let mut put = |words: &[u32]| bytes.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
            put(&[76]);
            put(&[u32::from_ne_bytes([3u16.to_ne_bytes(), [0, 0]].concat().try_into().unwrap())]);
            put(&[seq, 0, 1, 1, seq, ack]);
            put(&[u32::from_ne_bytes([40u16.to_ne_bytes(), [0, 0]].concat().try_into().unwrap()), kind, cpu]);
            bytes.extend(timestamp_ns.to_ne_bytes());
            bytes.extend(payload.iter().flat_map(|word| word.to_ne_bytes()));
            bytes
        },
    )
}

/// Cuts or lengthens a datagram. `updates_lengths`: its length fields follow.
fn resize(bytes: &mut Vec<u8>, len: usize, updates_lengths: bool) {
    bytes.resize(len, 0xa5);
    if updates_lengths && len >= 36 {
        bytes[0..4].copy_from_slice(&(len as u32).to_ne_bytes());
        bytes[32..34].copy_from_slice(&(len as u16 - 36).to_ne_bytes());
    }
}

proptest! {
    #![proptest_config(crate::config())]

    #[test]
    fn arbitrary_bytes_are_rejected_for_the_right_reason(bytes in vec(any::<u8>(), 0..120)) {
        check(&bytes);
    }

    #[test]
    fn every_field_of_every_kind_is_parsed(bytes in datagram()) {
        prop_assert_eq!(bytes.len(), wire::DATAGRAM_LEN);
        check(&bytes);
    }

    #[test]
    fn damaged_datagram_is_parsed_as_is_or_rejected(
        mut bytes in datagram(),
        damage in vec((0..76usize, any::<u8>()), 0..3),
        resized in proptest::option::of((0..90usize, any::<bool>())),
    ) {
        for (at, byte) in damage {
            bytes[at] = byte;
        }
        if let Some((len, updates_lengths)) = resized {
            resize(&mut bytes, len, updates_lengths);
        }
        check(&bytes);
    }

    #[test]
    fn built_datagram_round_trips(
        kind in select(&KINDS[..]), seq in any::<u32>(), timestamp_ns in any::<u64>(), words in vec(any::<u32>(), 0..9)
    ) {
        let bytes = wire::datagram(kind, seq, timestamp_ns, &words);
        let message = wire::parse(&bytes).unwrap();
        prop_assert_eq!((message.seq, message.timestamp_ns), (seq, timestamp_ns));
        check(&bytes);
    }
}
