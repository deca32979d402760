//! The CPUs of the machine.

/// Returns the CPUs that are online, at most `max` + 1 of them. Returns `None` if `/sys` does not show them.
pub(crate) fn online(max: usize) -> Option<Vec<u32>> {
    parse_list(std::fs::read_to_string("/sys/devices/system/cpu/online").ok()?.trim_end(), max)
}

/// Parses a CPU list such as `0-3,6`, see `cpulist_parse()` in the kernel. Returns at most `max` + 1 numbers.
fn parse_list(list: &str, max: usize) -> Option<Vec<u32>> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<u32>().ok()?..=last.parse().ok()?)
    };
    let ranges: Option<Vec<_>> = list.split(',').map(range).collect();
    Some(ranges?.into_iter().flatten().take(max + 1).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_list_parses_single_cpus_and_ranges() {
        assert_eq!(parse_list("0", 16), Some(vec![0]));
        assert_eq!(parse_list("0-2,5", 16), Some(vec![0, 1, 2, 5]));
        assert_eq!(parse_list("0-4294967295", 16).map(|cpus| cpus.len()), Some(17));
        assert_eq!((parse_list("", 16), parse_list("0-x", 16)), (None, None));
    }
}
