use super::arm::Moment;
use super::*;
use crate::Error;
use linalg::DMatrix;
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

type Weights = fn(f64) -> f64;
/// Context, weights, reward, and landing and time of a contact.
type Golden = ([f64; 4], Weights, f64, Option<(f64, f64)>);

const STILL: Weights = |_| 0.0;
const SINE: Weights = |i| 0.3 * (1.0 + i).sin();
const COSINE: Weights = |i| 0.1 * (2.0 * i).cos();

fn weights(of: Weights) -> Vec<f64> {
    (0..15).map(|i| of(f64::from(i))).collect()
}

// The digits below are those of an independent program in NumPy, from the equations of `ArmHit`.

#[test]
fn rewards_landings_and_times_are_the_golden_ones() {
    let first = [2.5, 0.0, -3.75, 2.5];
    let cases: [Golden; 7] = [
        (first, STILL, 1.585577591019, Some((1.722917114501, 0.45882056975840))),
        (first, SINE, 2.740977515052, Some((2.310180923278, 0.48108048136064))),
        (first, COSINE, 1.662979244224, Some((1.790591885488, 0.45861771743488))),
        ([2.4, 0.3, -4.0, 2.0], STILL, -0.076055387125, None),
        ([2.4, 0.3, -4.0, 2.0], SINE, 2.830238100531, Some((2.648779479407, 0.44003675203260))),
        ([2.7, 0.1, -3.5, 2.0], STILL, -0.191426091934, None),
        ([2.7, 0.1, -3.5, 2.0], SINE, -0.207196972840, None),
    ];
    let mut arm = ArmHit::new();
    for (context, of, reward, contact) in cases {
        let found = arm.rollout(&context, &weights(of), 0).unwrap();
        assert!((found.reward - reward).abs() < 1e-11, "{} {reward}", found.reward);
        let [hit, success, landing, time, miss] = found.metrics[..] else { panic!() };
        if let Some((expected_landing, expected_time)) = contact {
            assert!((landing - expected_landing).abs() < 1e-11, "{landing} {expected_landing}");
            assert!((time - expected_time).abs() < 1e-13, "{time} {expected_time}");
            assert_eq!((hit, miss), (1.0, 0.0));
            assert_eq!(success == 1.0, (landing - 2.5).abs() <= 0.2);
        } else {
            assert!(hit == 0.0 && success == 0.0 && landing.is_nan() && time.is_nan());
        }
    }
    let miss = arm.rollout(&[2.7, 0.1, -3.5, 2.0], &weights(SINE), 0).unwrap();
    assert!((miss.metrics[4] - 0.200113937659).abs() < 1e-11);
}

#[test]
fn the_test_set_has_the_golden_means() {
    let contexts = ArmHit::halton_contexts(2000);
    let mut arm = ArmHit::new();
    for (of, mean, contacts, successes) in [
        (STILL, 0.461610245961, 686.0, 0.0),
        (SINE, 0.834342470224, 731.0, 291.0),
        (COSINE, 0.494990562113, 696.0, 0.0),
    ] {
        let actions = DMatrix::from_fn(15, 2000, |i, _| of(i as f64));
        let outcomes = arm.rollouts(&contexts, &actions, &[0; 2000]).unwrap();
        let total = |pick: &dyn Fn(&Outcome) -> f64| outcomes.iter().map(pick).sum::<f64>();
        let found = total(&|outcome| outcome.reward) / 2000.0;
        assert!((found - mean).abs() < 1e-11, "{found} {mean}");
        assert_eq!(total(&|outcome| outcome.metrics[0]), contacts);
        assert_eq!(total(&|outcome| outcome.metrics[1]), successes);
    }
}

/// The definition, point by point: no vectors, no early end, bisection. Whether there is a hit, its time
/// or else the miss, and how fast the ball closes in then.
fn by_definition(context: &[f64], action: &[f64]) -> (bool, f64, f64) {
    let arm = ArmHit::new();
    let swing = arm.swing(context, action, 0).unwrap();
    let time = |i: u32| f64::from(i) * 0.8 / 400.0;
    for i in 0..400 {
        let (mut low, mut high) = (time(i), time(i + 1));
        let left = swing.at(low).across;
        if left == 0.0 || left * swing.at(high).across > 0.0 {
            continue;
        }
        for _ in 0..60 {
            let middle = low.midpoint(high);
            let same = (swing.at(middle).across > 0.0) == (left > 0.0);
            if same { low = middle } else { high = middle }
        }
        let moment = swing.at(low);
        if moment.along.abs() <= 0.12 && moment.ball[1] >= -1.0 {
            return (true, low, moment.closing);
        }
    }
    let above = (0..=400).map(|i| swing.at(time(i))).filter(|moment| moment.ball[1] >= -1.0);
    (false, above.map(|moment| moment.distance()).fold(f64::INFINITY, f64::min), 1.0)
}

fn random_context(seed: u64) -> [f64; 4] {
    ArmHit::random_context(&mut Xoshiro256PlusPlus::seed_from_u64(seed))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_search_finds_what_the_definition_says(
        seed in 0u64..1_000_000,
        action in prop::collection::vec(-1.0..1.0f64, 15),
        scale in prop_oneof![Just(0.3), Just(1.0), Just(5.0)],
    ) {
        let context = random_context(seed);
        let action: Vec<f64> = action.iter().map(|w| w * scale).collect();
        let found = ArmHit::new().rollout(&context, &action, 0).unwrap();
        let (hit, value, closing) = by_definition(&context, &action);
        prop_assert_eq!(found.metrics[0] == 1.0, hit);
        // The root is found to 1e-13 s. Angles, up to 15 times the scale, are off by a few eps of that,
        // and so is the place of the blade, a meter away; a root moves by this over the closing speed.
        let bound = 1e-13 + 60.0 * scale * f64::EPSILON / closing.abs();
        let off = (found.metrics[if hit { 3 } else { 4 }] - value).abs();
        prop_assert!(off <= bound, "{hit} {off:e} {bound:e}");
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences(
        seed in 0u64..1000,
        action in prop::collection::vec(-0.4..0.4f64, 15),
        direction in prop::collection::vec(-0.5..0.5f64, 15),
    ) {
        let context = random_context(seed);
        let mut arm = ArmHit::noisy();
        let mut gradient = [0.0; 15];
        let here = arm.rollout_with_gradient(&context, &action, seed, &mut gradient).unwrap();
        prop_assert_eq!(here.reward, arm.rollout(&context, &action, seed).unwrap().reward);
        let at = |h: f64| {
            let moved: Vec<f64> = action.iter().zip(&direction).map(|(w, d)| w + h * d).collect();
            let swing = arm.swing(&context, &moved, seed).unwrap();
            let end = arm.grid.search(&swing, Contact::Refined);
            let reward = |end| outcome(&swing, &end).reward;
            // A contact is known to 1e-13 s and to the rounding of the blade's place over the closing speed.
            let (nearest, rounding) = match end {
                End::Hit(Moment { time, closing, .. }) => {
                    let late = reward(End::Hit(swing.at(time + 1e-6)));
                    let rate = (late - reward(end)).abs() / 1e-6;
                    (None, rate * (1e-13 + 60.0 * f64::EPSILON / closing.abs()))
                }
                End::Miss(time) => {
                    // Beside the blade's face or beyond which end, and whether farther than counts.
                    let moment = swing.at(time.unwrap());
                    let side = if moment.excess() > 0.0 { moment.along.signum() } else { 0.0 };
                    (Some((time, side, moment.distance() < FAR)), 0.0)
                }
            };
            (reward(end), nearest, rounding)
        };
        let h = 1e-4;
        let [a, b, c, d, e, f] = [-2.0 * h, -h, -0.5 * h, 0.5 * h, h, 2.0 * h].map(at);
        // Not across the edge, nor where another point of the grid or part of the blade becomes the nearest.
        let nearest = at(0.0).1;
        prop_assume!([a, b, c, d, e, f].iter().all(|end| end.1 == nearest));
        let far = (f.0 - a.0) / (4.0 * h);
        let (near, half) = ((e.0 - b.0) / (2.0 * h), (d.0 - c.0) / h);
        let exact: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
        // The nearest difference is off by a third of what the nearest two differ, and terms of higher order, of
        // which there are many at a grazing contact; beside those of their times rewards have a rounding of 1e-14.
        let rounding = c.2.max(d.2) + 1e-14 * (1.0 + exact.abs());
        let allowed = (far - near).abs().max((near - half).abs()) + 2.0 * rounding / h + 1e-9;
        prop_assert!((half - exact).abs() <= allowed, "{half} {near} {far} {exact}");
    }
}

/// Weights under which a joint turns by so many degrees and stays there.
fn posture(turns: [f64; 3]) -> Vec<f64> {
    turns.iter().flat_map(|turn| [turn.to_radians(); 5]).collect()
}

#[test]
fn a_stretched_arm_reaches_its_full_length() {
    // All links level, and a ball dropped on the blade's outer half from 1.5 m: it rises with 0.8 of its
    // speed, straight up.
    let action = posture([30.0, -60.0, -60.0]);
    let found = ArmHit::new().rollout(&[1.1, 1.5, 0.0, 0.0], &action, 0).unwrap();
    let cost = 0.01 * action.iter().map(|w| w * w).sum::<f64>();
    let reward = 1.0 + 2.0 / (1.0 + (1.4f64 / 0.5).powi(2)) - cost;
    assert!((found.metrics[3] - (3.0 / 9.81f64).sqrt()).abs() < 1e-13, "{:?}", found.metrics);
    assert!((found.metrics[2] - 1.1).abs() < 1e-13 && (found.reward - reward).abs() < 1e-13);
    let past = ArmHit::new().rollout(&[1.18, 1.5, 0.0, 0.0], &action, 0).unwrap();
    // It falls past the tip, 0.01 m away: a point of the grid is within 5.5 mm of its height.
    assert!(past.metrics[0] == 0.0 && (0.01..0.0115).contains(&past.metrics[4]));
}

#[test]
fn what_happens_below_the_floor_does_not_count() {
    // The arm hangs straight down, its blade through the floor, and the ball passes x = 0 at 0.5 s.
    let action = posture([-60.0, -60.0, -60.0]);
    for (height, hit) in [(-0.97, 1.0), (-1.03, 0.0)] {
        let start = height - 0.5 * 2.0 + 9.81 / 8.0;
        let found = ArmHit::new().rollout(&[3.0, start, -6.0, 2.0], &action, 0).unwrap();
        assert_eq!(found.metrics[0], hit);
        assert!(hit == 0.0 || (found.metrics[3] - 0.5).abs() < 1e-13, "{:?}", found.metrics);
    }
}

#[test]
fn on_the_grid_the_reward_looks_right_and_its_slope_is_wrong() {
    let context = [2.5, 0.0, -3.75, 2.5];
    let (action, h) = (weights(SINE), 1e-5);
    let mut gradient = [0.0; 15];
    let _ = ArmHit::new().rollout_with_gradient(&context, &action, 0, &mut gradient).unwrap();
    let size = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
    for (contact, least, most) in [(Contact::Refined, 0.0, 1e-8), (Contact::OnGrid, 0.05, 1.0)] {
        let mut arm = ArmHit::new().with_contact(contact);
        let reward = arm.rollout(&context, &action, 0).unwrap().reward;
        assert!((reward - 2.740977515052).abs() < 0.05);
        let mut off = 0.0;
        for k in 0..15 {
            let mut at = |h: f64| {
                let mut moved = action.clone();
                moved[k] += h;
                arm.rollout(&context, &moved, 0).unwrap().reward
            };
            off += ((at(h) - at(-h)) / (2.0 * h) - gradient[k]).powi(2);
        }
        let relative = off.sqrt() / size;
        assert!(relative >= least && relative <= most, "{contact:?}: {relative:e}");
    }
}

#[test]
fn noise_follows_from_the_seed_and_has_the_stated_size() {
    let mut arm = ArmHit::noisy();
    let context = [2.5, 0.0, -3.75, 2.5];
    let still = weights(STILL);
    let run = |arm: &mut ArmHit, seed| arm.rollout(&context, &still, seed).unwrap().reward;
    assert_eq!(run(&mut arm, 3), run(&mut arm, 3));
    assert_ne!(run(&mut arm, 3), run(&mut arm, 4));
    let n = 4000;
    let (mut weight, mut restitution, mut seen) = ((0.0, 0.0), (0.0, 0.0), (0.0, 0.0));
    let note = |sums: &mut (f64, f64), x: f64| *sums = (sums.0 + x, sums.1 + x * x);
    for seed in 0..n {
        let swing = arm.swing(&context, &still, seed).unwrap();
        note(&mut weight, swing.weights[7] / 0.02);
        note(&mut restitution, (swing.restitution - 0.8) / 0.03);
        let mut observation = [0.0; 4];
        arm.observe(&context, seed, &mut observation).unwrap();
        note(&mut seen, (observation[2] * 0.43 - 3.75 - context[2]) / 0.05);
    }
    for (sum, square) in [weight, restitution, seen] {
        // Five standard errors of a mean of n, and of a mean square with variance 2.
        let n = n as f64;
        assert!((sum / n).abs() < 5.0 / n.sqrt(), "{sum}");
        assert!((square / n - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "{square}");
    }
}

#[test]
fn an_observation_without_noise_is_the_scaled_context() {
    let mut observation = [0.0; 4];
    ArmHit::new().observe(&[2.9, 0.05, -3.75, 3.05], 1, &mut observation).unwrap();
    for (found, expected) in observation.iter().zip([1.0, 0.0, 0.0, 1.0]) {
        assert!((found - expected).abs() < 1e-14);
    }
}

#[test]
fn bad_input_is_named() {
    let mut arm = ArmHit::new();
    let still = [0.0; 15];
    let mut wrong = still;
    wrong[3] = f64::NAN;
    let context = [2.5, 0.0, -3.75, 2.5];
    let mut short = [0.0; 3];
    let texts: [(Result<Outcome, Error>, &str); 4] = [
        (arm.rollout(&context[..3], &still, 0), "context has 3 entries, expected 4"),
        (arm.rollout(&context, &still[..14], 0), "action has 14 entries, expected 15"),
        (arm.rollout(&context, &wrong, 0), "action[3] is NaN, and every entry must be finite"),
        (
            arm.rollout_with_gradient(&context, &still, 0, &mut short),
            "gradient has 3 entries, expected 15",
        ),
    ];
    for (found, text) in texts {
        assert_eq!(found.unwrap_err().to_string(), text);
    }
    assert_eq!(
        arm.observe(&context, 0, &mut short).unwrap_err().to_string(),
        "observation has 3 entries, expected 4"
    );
}

#[test]
fn wild_actions_and_balls_below_the_floor_have_an_answer() {
    let mut arm = ArmHit::new();
    let outcome = arm.rollout(&[2.5, 0.0, -3.75, 2.5], &[1e200; 15], 0).unwrap();
    assert_eq!(outcome.reward, f64::NEG_INFINITY);
    let outcome = arm.rollout(&[2.5, 0.0, -3.75, 2.5], &[-1e7; 15], 0).unwrap();
    assert!(outcome.reward < -1e12 && outcome.reward.is_finite());
    let outcome = arm.rollout(&[0.5, -5.0, 0.0, -1.0], &[0.0; 15], 0).unwrap();
    assert_eq!((outcome.reward, outcome.metrics[4]), (-2.0, f64::INFINITY));
}
