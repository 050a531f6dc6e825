//! Times the simulators of `rl-pg` for `benches/peers/rl.py`.
//!
//! A request is a line `OPERATION COUNT` on standard input, or `train STEPS SEED`, which is answered with the processor
//! seconds of so many steps of training on `CartPole` by the default options, and the mean return of the
//! last 100 episodes. `starts` is answered with the states in which
//! the first so many episodes of `CartPole` begin; `cart-pole` and `arm-hit` with the processor seconds of
//! that many episodes, and numbers by which the results can be compared.

use std::error::Error;
use std::hint::black_box;
use std::io::{BufRead, Write};
use std::ops::ControlFlow;
use std::time::Instant;

use benches::{PUSHES, balance, balancer, swings};
use rl_pg::{ArmHit, CartPole, Environment, Plan, Simulator};

type Answer<T> = Result<T, Box<dyn Error>>;

fn main() -> Answer<()> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let mut words = line.split(' ');
        let operation = words.next().unwrap_or_default();
        let count: usize = words.next().ok_or("not a request")?.parse()?;
        let numbers = match operation {
            "starts" => {
                let mut cart = CartPole::new();
                let mut starts = vec![[0.0; 4]; count];
                for (seed, start) in starts.iter_mut().enumerate() {
                    cart.reset(seed as u64, start)?;
                }
                starts.concat()
            }
            "cart-pole" => {
                let (seconds, sum) = timed(|| balance(black_box(count), PUSHES));
                vec![seconds, sum?]
            }
            "arm-hit" => {
                let (contexts, actions) = swings(count);
                let mut arm = ArmHit::new();
                let seeds = vec![0; count];
                let (seconds, outcomes) =
                    timed(|| arm.rollouts(black_box(&contexts), &actions, &seeds));
                let outcomes = outcomes?;
                let total = |pick: fn(&rl_pg::Outcome) -> f64| outcomes.iter().map(pick).sum();
                vec![seconds, total(|outcome| outcome.reward), total(|outcome| outcome.metrics[1])]
            }
            "train" => {
                let seed = words.next().ok_or("from which seed?")?.parse()?;
                let mut learner = balancer(seed)?;
                let (carts, plan) = (&mut vec![CartPole::new(); 8], Plan::steps(count as u64));
                let start = processor();
                let _ = learner.train_environment(carts, plan, |_| ControlFlow::Continue(()))?;
                let seconds = processor().zip(start).map(|(end, start)| end - start);
                vec![seconds.ok_or("no processor time")?, learner.recent_return().unwrap_or(0.0)]
            }
            _ => return Err(format!("no operation {operation}").into()),
        };
        let words: Vec<String> = numbers.iter().map(|number| format!("{number:e}")).collect();
        writeln!(out, "{}", words.join(" "))?;
        out.flush()?;
    }
    Ok(())
}

/// The processor seconds of this process, all its threads together, where the system tells them.
fn processor() -> Option<f64> {
    let mut nanoseconds = 0.0;
    for thread in std::fs::read_dir("/proc/self/task").ok()? {
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        nanoseconds += text.split(' ').next()?.parse::<f64>().ok()?;
    }
    Some(nanoseconds * 1e-9)
}

/// The processor seconds of `run` and what it returns; where the system does not tell a process its
/// processor time, the seconds of a clock. It runs for 0.2 s, since the system counts in ticks.
fn timed<R>(mut run: impl FnMut() -> R) -> (f64, R) {
    let (clock, start) = (Instant::now(), processor());
    let (mut result, mut runs) = (run(), 1.0);
    while clock.elapsed().as_secs_f64() < 0.2 {
        result = run();
        runs += 1.0;
    }
    let seconds = processor().zip(start).map(|(end, start)| end - start);
    (seconds.unwrap_or(clock.elapsed().as_secs_f64()) / runs, result)
}
