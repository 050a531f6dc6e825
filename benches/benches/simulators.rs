//! The simulators of `rl-pg`, one thread, and their rollouts on as many as there are.

use std::hint::black_box;

use benches::{PUSHES, balance, swings};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rl_pg::{ArmHit, Differentiable, Simulator, rollouts};

fn simulators(criterion: &mut Criterion) {
    let count = 2000;
    let (contexts, actions) = swings(count);
    let seeds = vec![0; count];
    let mut arm = ArmHit::new();
    let alone = arm.rollouts(&contexts, &actions, &seeds).expect("balls and swings");
    let successes: f64 = alone.iter().map(|outcome| outcome.metrics[1]).sum();
    assert!((200.0..400.0).contains(&successes), "{successes}");
    let mut group = criterion.benchmark_group("arm-hit");
    group.throughput(Throughput::Elements(count as u64));
    group.bench_function("alone", |bencher| {
        bencher.iter(|| arm.rollouts(black_box(&contexts), &actions, &seeds).is_ok());
    });
    for workers in [2, 4] {
        let mut arms = vec![ArmHit::new(); workers];
        let found = rollouts(&mut arms, &contexts, &actions, &seeds).expect("balls and swings");
        let same = alone.iter().zip(&found).all(|(a, b)| a.reward.to_bits() == b.reward.to_bits());
        assert!(same, "{workers} workers have other results");
        group.bench_function(format!("{workers} workers"), |bencher| {
            bencher.iter(|| rollouts(&mut arms, black_box(&contexts), &actions, &seeds).is_ok());
        });
    }
    let mut slope = [0.0; 15];
    group.bench_function("with gradient", |bencher| {
        bencher.iter(|| {
            contexts.column_iter().zip(actions.column_iter()).all(|(context, action)| {
                let (context, action) = (context.as_slice(), action.as_slice());
                arm.rollout_with_gradient(context, action, 0, &mut slope).is_ok()
            })
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("cart-pole");
    assert!(balance(1000, PUSHES).is_ok_and(|sum| sum < 1000.0 * 0.2));
    group.throughput(Throughput::Elements(1000 * PUSHES as u64));
    group.bench_function("steps", |bencher| bencher.iter(|| balance(black_box(1000), PUSHES)));
    group.finish();
}

criterion_group!(all, simulators);
criterion_main!(all);
