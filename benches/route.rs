//! What a route lookup costs, and that it costs the same wherever the route stands; measures no request.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, Method};
use portcullis::route::{Ask, CanonicalHost, CanonicalPath, Entry, Headers, HostPattern, Methods, PathPattern, Table};

/// Few enough to fit in a cache, and as many as `figures.md` F3 asks for.
const SIZES: [usize; 2] = [10, 10_000];

/// How a table's routes differ from each other.
#[derive(Clone, Copy)]
enum Spread {
    /// All on one host, by the first segment.
    OneHost,
    /// Each on its own host, with the same path.
    ManyHosts,
}

impl Spread {
    const ALL: [Spread; 2] = [Spread::OneHost, Spread::ManyHosts];

    const fn as_str(self) -> &'static str {
        match self {
            Spread::OneHost => "one-host",
            Spread::ManyHosts => "many-hosts",
        }
    }

    /// Host and first segment of the route with this number.
    fn place(self, number: usize) -> (String, String) {
        match self {
            Spread::OneHost => ("app.example.com".to_owned(), format!("service-{number}")),
            Spread::ManyHosts => (format!("service-{number}.example.com"), "api".to_owned()),
        }
    }
}

fn table(spread: Spread, size: usize) -> Table<usize> {
    let entry = |number| {
        let (host, segment) = spread.place(number);
        Entry {
            host: HostPattern::parse(&host).expect("a host"),
            path: PathPattern::parse(&format!("/{segment}/v1/**")).expect("a path"),
            methods: Methods::any(),
            headers: Headers::none(),
            value: number,
            label: segment,
        }
    };
    Table::build((0..size).map(entry).collect()).expect("no two routes tie")
}

fn lookups(criterion: &mut Criterion) {
    let headers = HeaderMap::new();
    for spread in Spread::ALL {
        for size in SIZES {
            let table = table(spread, size);
            let mut group = criterion.benchmark_group(format!("route/{}/{size}", spread.as_str()));
            for (name, number) in [("first", 0), ("middle", size / 2), ("last", size - 1), ("missing", size)] {
                let (host, segment) = spread.place(number);
                let path = format!("/{segment}/v1/orders/4711");
                let ask = Ask { host: &host, path: &path, method: &Method::GET, headers: &headers };
                group.bench_function(name, |bencher| bencher.iter(|| black_box(table.find(black_box(&ask)))));
            }
        }
    }
}

fn readings(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("route/canonical");
    group.bench_function("host", |bencher| bencher.iter(|| CanonicalHost::parse(black_box(b"app.example.com:443"))));
    for (name, target) in
        [("plain", "/service-1/v1/orders/4711?page=2"), ("escaped", "/users/bob%40example.com/caf%C3%A9")]
    {
        group.bench_function(name, |bencher| bencher.iter(|| CanonicalPath::parse(black_box(target.as_bytes()))));
    }
}

criterion_group!(benches, lookups, readings);
criterion_main!(benches);
