//! What `rl-pg` claims of its simulators and of running them.

use linalg::DMatrix;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rayon::ThreadPoolBuilder;
use rl_pg::{
    ArmHit, CartPole, Contact, Differentiable, Environment, Outcome, Simulator, Streams, rollouts,
};

use crate::verify::check::{BoxError, Check, Context, Control, Evidence};
use crate::verify::plot::{Axis, Mark, Plot, Scale, Series};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    Check {
        id: "rl-pg/arm-hit",
        question: Some(7),
        claim: "The arm and the ball of ArmHit-v0 do what an independent program of its equations says.",
        run: golden,
    },
    Check {
        id: "rl-pg/contact-refinement",
        question: Some(7),
        claim: "A finite difference of ArmHit's rewards is their derivative, because contacts are roots and \
                not points of a grid.",
        run: refinement,
    },
    Check {
        id: "rl-pg/rollout-threads",
        question: Some(7),
        claim: "Noisy rollouts have the same bits on 1, 2, 3, 4 and 8 threads.",
        run: threads,
    },
    Check {
        id: "rl-pg/cart-pole",
        question: Some(2),
        claim: "Each step of CartPole solves the equations of motion of a cart and a pole, by explicit Euler.",
        run: cart_pole,
    },
];

/// The weights of the golden values, by a formula of their index.
type Weights = fn(f64) -> f64;

const STILL: Weights = |_| 0.0;
const SINE: Weights = |i| 0.3 * (1.0 + i).sin();
const COSINE: Weights = |i| 0.1 * (2.0 * i).cos();

fn golden(_: &Context) -> Result<Evidence, BoxError> {
    type Case = ([f64; 4], Weights, f64, Option<(f64, f64)>);
    let (first, second, third) =
        ([2.5, 0.0, -3.75, 2.5], [2.4, 0.3, -4.0, 2.0], [2.7, 0.1, -3.5, 2.0]);
    // Reward, and landing and time of a contact, of a program in NumPy.
    let cases: [Case; 7] = [
        (first, STILL, 1.585577591019, Some((1.722917114501, 0.45882056975840))),
        (first, SINE, 2.740977515052, Some((2.310180923278, 0.48108048136064))),
        (first, COSINE, 1.662979244224, Some((1.790591885488, 0.45861771743488))),
        (second, STILL, -0.076055387125, None),
        (second, SINE, 2.830238100531, Some((2.648779479407, 0.44003675203260))),
        (third, STILL, -0.191426091934, None),
        (third, SINE, -0.207196972840, None),
    ];
    // Mean reward, contacts and successes over the first 2,000 Halton contexts.
    let aggregates = [
        (STILL, 0.461610245961, 686.0, 0.0),
        (SINE, 0.834342470224, 731.0, 291.0),
        (COSINE, 0.494990562113, 696.0, 0.0),
    ];
    let contexts = ArmHit::halton_contexts(2000);
    let worst = |mut arm: ArmHit| -> Result<f64, BoxError> {
        let mut worst = 0.0;
        let mut note = |found: f64, expected: f64| {
            let off = (found - expected).abs();
            worst = if off <= worst { worst } else { off };
        };
        for (context, of, reward, contact) in cases {
            let action: Vec<f64> = (0..15).map(|i| of(f64::from(i))).collect();
            let found = arm.rollout(&context, &action, 0)?;
            note(found.reward, reward);
            note(found.metrics[0], f64::from(u8::from(contact.is_some())));
            if let Some((landing, time)) = contact {
                note(found.metrics[2], landing);
                note(found.metrics[3], time);
            }
        }
        for (of, mean, contacts, successes) in aggregates {
            let actions = DMatrix::from_fn(15, 2000, |i, _| of(i as f64));
            let found = arm.rollouts(&contexts, &actions, &[0; 2000])?;
            let total = |pick: fn(&Outcome) -> f64| found.iter().map(pick).sum::<f64>();
            note(total(|outcome| outcome.reward) / 2000.0, mean);
            note(total(|outcome| outcome.metrics[0]), contacts);
            note(total(|outcome| outcome.metrics[1]), successes);
        }
        Ok(worst)
    };
    Ok(Evidence {
        measured: worst(ArmHit::new())?,
        limit: 1e-11,
        reason: "largest deviation from 12 printed digits of rewards, places and times, and from counts",
        control: Control {
            what: "contacts at the end of the time step in which they are",
            measured: worst(ArmHit::new().with_contact(Contact::OnGrid))?,
        },
        plots: Vec::new(),
        notes: Vec::new(),
    })
}

fn refinement(context: &Context) -> Result<Evidence, BoxError> {
    let mut rng = context.rng();
    let mut arm = ArmHit::new();
    // Swings that hit, with the exact slope along a random direction.
    let mut cases = Vec::new();
    while cases.len() < 200 {
        let ball = ArmHit::random_context(&mut rng);
        let mut action = [0.0; 15];
        let mut direction = [0.0; 15];
        for (entry, step) in action.iter_mut().zip(&mut direction) {
            *entry = rng.random_range(-0.3..0.3);
            *step = rng.random_range(-1.0..1.0);
        }
        let mut gradient = [0.0; 15];
        let outcome = arm.rollout_with_gradient(&ball, &action, 0, &mut gradient)?;
        if outcome.metrics[0] > 0.0 {
            let slope: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
            cases.push((ball, action, direction, slope));
        }
    }
    // The median over the cases of the relative error of the central difference.
    let error = |contact: Contact, h: f64| -> Result<f64, BoxError> {
        let mut arm = arm.clone().with_contact(contact);
        let mut errors = Vec::with_capacity(cases.len());
        for (ball, action, direction, slope) in &cases {
            let mut reward = |h: f64| -> Result<f64, BoxError> {
                let moved: [f64; 15] = std::array::from_fn(|i| action[i] + h * direction[i]);
                Ok(arm.rollout(ball, &moved, 0)?.reward)
            };
            let found = (reward(h)? - reward(-h)?) / (2.0 * h);
            errors.push((found / slope - 1.0).abs());
        }
        errors.sort_by(f64::total_cmp);
        Ok(errors[errors.len() / 2])
    };
    let h = 1e-5;
    let curve = |contact: Contact| -> Result<Vec<(f64, f64)>, BoxError> {
        (1..=8).map(|k| Ok((10f64.powi(-k), error(contact, 10f64.powi(-k))?))).collect()
    };
    let (refined, on_grid) = (curve(Contact::Refined)?, curve(Contact::OnGrid)?);
    let at = |curve: &[(f64, f64)]| {
        curve
            .iter()
            .find(|(step, _)| (step / h - 1.0).abs() < 1e-9)
            .map_or(f64::NAN, |point| point.1)
    };
    let series = |label: &str, points: &[(f64, f64)]| Series {
        label: label.into(),
        mark: Mark::Line,
        points: points.to_vec(),
    };
    Ok(Evidence {
        measured: at(&refined),
        limit: 1e-7,
        reason: "median relative error over 200 contacts at h = 1e-5: a time of contact to 1e-13 s, by which \
                 a reward changes at a rate of about 10/s, over h; the h² term is a thousandth of that",
        control: Control {
            what: "contacts at the end of the time step of 2 ms in which they are",
            measured: at(&on_grid),
        },
        plots: vec![Plot {
            title: "a finite difference through a contact",
            x: Axis { label: "step h of the weights (rad)", scale: Scale::Log },
            y: Axis { label: "median relative error of the slope", scale: Scale::Log },
            series: vec![series("at the root", &refined), series("on the grid of 2 ms", &on_grid)],
        }],
        notes: vec![format!(
            "On the grid the error is {:.0} % at h = 1e-3 and {:.0} % at h = 1e-8: no step is small enough.",
            100.0 * on_grid[2].1,
            100.0 * on_grid[7].1
        )],
    })
}

fn threads(context: &Context) -> Result<Evidence, BoxError> {
    let n = 512;
    let mut rng = context.rng();
    let contexts = ArmHit::halton_contexts(n);
    let actions = DMatrix::from_fn(15, n, |_, _| rng.random_range(-0.3..0.3));
    let run = |threads: usize, seeds: &[u64]| -> Result<Vec<Outcome>, BoxError> {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build()?;
        let mut arms = vec![ArmHit::noisy(); threads];
        Ok(pool.install(|| rollouts(&mut arms, &contexts, &actions, seeds))?)
    };
    // How many of the rollouts have another reward, to the bit.
    let changed = |a: &[Outcome], b: &[Outcome]| {
        let pairs = a.iter().zip(b);
        pairs.filter(|(a, b)| a.reward.to_bits() != b.reward.to_bits()).count() as f64
    };
    let streams = Streams::new(context.seed);
    let seeds: Vec<u64> = (0..n as u64).map(|i| streams.key(0, i, 0)).collect();
    let alone = run(1, &seeds)?;
    let mut worst = 0.0f64;
    for threads in [2, 3, 4, 8] {
        worst = worst.max(changed(&alone, &run(threads, &seeds)?));
    }
    // One generator, of which each rollout takes the next number when its turn comes: with one worker in
    // order, with two in turn from either half.
    let arrivals = |order: &mut dyn Iterator<Item = usize>| {
        let mut shared = Xoshiro256PlusPlus::seed_from_u64(context.seed);
        let mut seeds = vec![0; n];
        for index in order {
            seeds[index] = shared.random();
        }
        seeds
    };
    let one = arrivals(&mut (0..n));
    let two = arrivals(&mut (0..n / 2).flat_map(|i| [i, n / 2 + i]));
    Ok(Evidence {
        measured: worst,
        limit: 0.0,
        reason: "rollouts of 512 whose reward has other bits than on one thread",
        control: Control {
            what: "noise from one generator shared by two workers, in order of arrival",
            measured: changed(&run(1, &one)?, &run(2, &two)?),
        },
        plots: Vec::new(),
        notes: Vec::new(),
    })
}

fn cart_pole(context: &Context) -> Result<Evidence, BoxError> {
    const STEP: f64 = 0.02;
    // How far a step is from the equations, in which no acceleration is eliminated: the force on both
    // masses together, the pole's turning, and the two places a step of the old rates further.
    let off = |before: [f64; 4], after: [f64; 4], force: f64| {
        let [x, velocity, theta, rate] = before;
        let (linear, angular) = ((after[1] - velocity) / STEP, (after[3] - rate) / STEP);
        let (sine, cosine) = theta.sin_cos();
        let momentum = 1.1 * linear + 0.05 * (angular * cosine - rate * rate * sine) - force;
        let turning = 4.0 / 3.0 * 0.5 * angular + linear * cosine - 9.8 * sine;
        let places = [after[0] - x - STEP * velocity, after[2] - theta - STEP * rate];
        [momentum * STEP, turning * STEP, places[0], places[1]]
            .iter()
            .fold(0.0, |worst: f64, off| if off.abs() <= worst { worst } else { off.abs() })
    };
    let mut rng = context.rng();
    let mut cart = CartPole::new();
    let (mut worst, mut control, mut steps, mut fastest) = (0.0f64, 0.0f64, 0, 1.0f64);
    for seed in 0..200 {
        let mut state = [0.0; 4];
        cart.reset(context.seed.wrapping_add(seed), &mut state)?;
        let mut end = None;
        while end.is_none() {
            let before = state;
            let action = rng.random_range(0..2usize);
            let force = if action == 1 { 10.0 } else { -10.0 };
            end = cart.step(&action, &mut state)?.end;
            let found = off(before, state, force);
            worst = if found <= worst { worst } else { found };
            // The same accelerations, but places moved by the new rates.
            let moved =
                [before[0] + STEP * state[1], state[1], before[2] + STEP * state[3], state[3]];
            control = control.max(off(before, moved, force));
            steps += 1;
            fastest = state.iter().fold(fastest, |most, entry| most.max(entry.abs()));
        }
    }
    Ok(Evidence {
        measured: worst / fastest,
        limit: 16.0 * f64::EPSILON,
        reason: "largest residual of a step over the largest number of a state: a dozen roundings",
        control: Control {
            what: "places moved by the rates after the step, as semi-implicit Euler does",
            measured: control / fastest,
        },
        plots: Vec::new(),
        notes: vec![format!("{steps} steps of 200 random episodes.")],
    })
}
