//! Seeded workloads that the benchmarks share.
