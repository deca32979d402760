//! Files of `/proc/PID`, as the kernel writes them and as it does not.

use proc_events::procfs::{name, parse};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::oracles::procfs::{check, check_cgroup, check_name, check_stat, check_texts};

fn bytes(len: usize) -> impl Strategy<Value = Vec<u8>> {
    let tricky = select(&b" ()\n\t:/\0-09\\x\xff\xc3\xa9"[..]);
    vec(prop_oneof![any::<u8>(), tricky], 0..len)
}

/// A name of a process or of a directory, without some bytes.
fn word(excluded: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    bytes(16).prop_map(|mut word| {
        word.retain(|byte| !excluded.contains(byte));
        word
    })
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// The fields of `/proc/PID/stat` from the parent on, the fourth, to the 52nd.
fn stat_fields() -> impl Strategy<Value = Vec<String>> {
    let small = select(
        &["0", "1", "2", "18446744073709551615", "18446744073709551616", "99999999999999999999999"][..],
    )
    .prop_map(str::to_owned);
    vec(
        prop_oneof![3 => small, 2 => any::<i32>().prop_map(|n| n.to_string()), 1 => any::<u64>().prop_map(|n| n.to_string())],
        49,
    )
}

fn stat_text(pid: u32, comm: &[u8], state: char, fields: &[String]) -> Vec<u8> {
    let fields = fields.join(" ");
    join(&[format!("{pid} (").as_bytes(), comm, format!(") {state} {fields}\n").as_bytes()])
}

proptest! {
    #![proptest_config(crate::config())]

    #[test]
    fn arbitrary_bytes_cause_no_panic(bytes in bytes(200)) {
        check(&bytes);
    }

    #[test]
    fn stat_round_trips(
        pid in any::<u32>(),
        comm in bytes(20),
        state in select(&['R', 'S', 'D', 'Z', 'T', 't', 'X', 'x', 'I'][..]),
        fields in stat_fields(),
        cut in proptest::option::of(0..400usize),
    ) {
        let mut text = stat_text(pid, &comm, state, &fields);
        if let Some(stat) = parse::stat(&text) {
            prop_assert_eq!((stat.comm, stat.state), (&*comm, state as u8));
            prop_assert_eq!(i128::from(stat.start_time), fields[22 - 4].parse::<i128>().unwrap().abs());
        }
        text.truncate(cut.unwrap_or(usize::MAX));
        check_stat(&text);
    }

    #[test]
    fn different_programs_have_different_numbers(
        fields in stat_fields(),
        [code, other_code] in any::<[u32; 2]>(),
        [stack, other_stack] in any::<[u32; 2]>(),
    ) {
        let program = |code: u32, stack: u32| {
            let mut fields = fields.clone();
            fields.iter_mut().filter(|field| field.len() > 19).for_each(|field| field.truncate(19));
            (fields[26 - 4], fields[28 - 4]) = (code.to_string(), (u64::from(stack) + 1).to_string());
            parse::stat(&stat_text(7, b"sh", 'S', &fields)).unwrap().program
        };
        prop_assert_eq!(program(code, stack), program(code, stack));
        prop_assert_eq!(code == other_code, program(code, stack) == program(other_code, stack));
        prop_assert_eq!(stack == other_stack, program(code, stack) == program(code, other_stack));
    }

    #[test]
    fn ids_round_trip(
        name in word(b"\n"), uids in any::<[u32; 4]>(), gids in any::<[u32; 4]>(), cut in 0..60usize
    ) {
        let ids = |ids: [u32; 4]| ids.map(|id| id.to_string()).join("\t");
        let head = join(&[b"Name:\t", &name, b"\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t7\n"]);
        let text = join(&[&head, format!("Uid:\t{}\nGid:\t{}\nFDSize:\t64\n", ids(uids), ids(gids)).as_bytes()]);
        prop_assert_eq!(parse::real_ids(&text), Some((uids[0], gids[0])));
        // Cut before the group, the text has no ids.
        let group = text.len() - ids(gids).len() - "Gid:\t\nFDSize:\t64\n".len();
        prop_assert_eq!(parse::real_ids(&text[..group.saturating_sub(cut)]), None);
    }

    #[test]
    fn most_specific_cgroup_is_returned(
        lines in vec(
            (
                prop_oneof![Just("0".to_owned()), (1..20u8).prop_map(|hierarchy| hierarchy.to_string())],
                select(&["", "memory", "pids", "name=systemd", "cpu,cpuacct"][..]),
                prop_oneof![Just(Vec::new()), word(b"\n")],
            ),
            0..6,
        )
    ) {
        let line = |(hierarchy, controllers, path): &(String, &str, Vec<u8>)| {
            join(&[hierarchy.as_bytes(), b":", controllers.as_bytes(), b":/", path, b"\n"])
        };
        let text = lines.iter().map(line).collect::<Vec<_>>().concat();
        prop_assert_eq!(parse::cgroup_path(&text).is_some(), !lines.is_empty());
        check_cgroup(&text);
    }

    #[test]
    fn arguments_round_trip(arguments in vec(word(b"\0"), 0..6), is_overwritten in any::<bool>()) {
        let mut cmdline: Vec<u8> = arguments.iter().flat_map(|argument| join(&[argument, b"\0"])).collect();
        if is_overwritten && cmdline.iter().rev().nth(1).is_some_and(|&byte| byte != 0) {
            cmdline.pop();
        }
        let argv = parse::argv(&cmdline, is_overwritten, usize::MAX);
        let expected: Vec<_> = arguments.iter().map(|argument| [&*parse::readable(argument), "\0"].concat()).collect();
        prop_assert_eq!((&*argv.text, argv.truncated), (&*expected.concat(), is_overwritten));
        check_texts(&cmdline);
    }

    #[test]
    fn utf8_text_is_unchanged(text in "\\PC*") {
        prop_assert_eq!(&*parse::readable(text.as_bytes()), &*text);
    }

    #[test]
    fn name_is_the_comm_or_its_continuation(
        name in word(b"/\\\0"),
        directory in word(b"\0"),
        place in 0..3usize,
        is_script in any::<bool>(),
    ) {
        let name = join(&[b"fifteen-letters", &name]);
        let comm = &name[..15];
        let path = join(&[&directory, b"/", &name]);
        // In the first argument, the second or the program's path.
        let at = |index: usize| if place == index { &*path } else if is_script { &b"/bin/sh"[..] } else { b"" };
        check_name(comm, &join(&[at(0), b"\0", at(1), b"\0"]), at(2));
        let shown = name.strip_suffix(b" (deleted)").filter(|_| place == 2).unwrap_or(&name);
        let cmdline = join(&[at(0), b"\0", at(1), b"\0"]);
        prop_assert_eq!(name::at_exec(comm, &cmdline, at(2)), parse::readable(shown));
        prop_assert_eq!(name::since_exec(comm, &cmdline, at(2)), parse::readable(shown));
    }
}
