//! Measures the time that each work takes.

use std::time::Duration;

use criterion::{Criterion, Throughput};

use crate::works;

pub(crate) fn all() {
    let short =
        Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    let mut criterion = short.configure_from_args();
    for work in &works::ALL {
        let mut group = criterion.benchmark_group("core");
        if work.events > 0 {
            group.throughput(Throughput::Elements(work.events));
        }
        let mut once = (work.prepare)();
        group.bench_function(work.name, |bencher| bencher.iter(&mut once));
        group.finish();
    }
    criterion.final_summary();
}
