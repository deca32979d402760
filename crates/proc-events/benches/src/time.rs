//! How long each work takes.

use std::time::Duration;

use criterion::{Criterion, Throughput};

use crate::works;

pub(crate) fn all() {
    let short =
        Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    let mut criterion = short.configure_from_args();
    for mut work in works::all() {
        let mut group = criterion.benchmark_group("core");
        group.throughput(Throughput::Elements(work.events));
        group.bench_function(work.name, |bencher| bencher.iter(|| (work.once)()));
        group.finish();
    }
    criterion.final_summary();
}
