//! Rows of `rl-pg`.

use std::ops::ControlFlow;
use std::time::Duration;

use linalg::DMatrix;
use nn_core::Network;
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;
use rl_pg::process::{self, Encoding, serve};
use rl_pg::{
    Actor, ArmHit, Bandit, Baseline, Bernoulli, Beta, CartPole, Categorical, Chain,
    DiagonalGaussian, Discounting, Environment, Estimator, Experience, FullGaussian,
    GradientReport, LearnOptions, Learner, LearnerState, MovementPrimitive, Outcome, Plan, Policy,
    RadialBases, ReportPlan, Simulator, Squashed, SquashedGaussian, StepSearch, Streams, episodes,
    generalized_advantages, natural_gradient, pgpe, rewards_to_go, rollouts, score_function,
    score_function_batch,
};

use super::{Outcome as Answer, holds, row, shown};
use crate::bad_input::draw::Input;

fn rng() -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(7)
}

/// Rewards a force that holds a spring of stiffness two, times `scale`.
#[derive(Debug, Clone)]
struct Spring {
    scale: f64,
}

impl Simulator for Spring {
    fn context_length(&self) -> usize {
        1
    }
    fn action_length(&self) -> usize {
        1
    }
    fn rollout(&mut self, context: &[f64], force: &[f64], _seed: u64) -> rl_pg::Result<Outcome> {
        let off = 0.5 * force[0] - context[0];
        Ok(Outcome { reward: -self.scale * off * off, metrics: Vec::new() })
    }
}

fn network(outputs: usize) -> nn_core::Result<Network<f64>> {
    Network::builder(1).dense(outputs).build(&mut rng())
}

fn contexts() -> DMatrix<f64> {
    DMatrix::from_row_slice(1, 4, &[-1.0, -0.3, 0.3, 1.0])
}

/// Parameters, of which there are never so many that their Fisher information is a novel.
fn few(x: &Input, good: &[f64]) -> Vec<f64> {
    let mut parameters = x.slice(good);
    parameters.truncate(20);
    parameters
}

fn asked<P: Policy>(policy: &P) -> Answer {
    let action = policy.sample(&mut rng());
    let mut score = vec![0.0; policy.parameter_count()];
    policy.score(&action, &mut score)?;
    shown((
        score,
        policy.log_probability(&action)?,
        policy.entropy(),
        policy.fisher(),
        policy.divergence(policy)?,
    ))
}

const EXTREME: &str = "parameters at the end of the range of numbers";

#[test]
fn policies() {
    holds(&[
        row("Categorical", |x| asked(&Categorical::from_parameters(&few(x, &[0.1, 0.2]))?))
            .passes(EXTREME),
        row("Bernoulli", |x| asked(&Bernoulli::from_parameters(&few(x, &[0.1, 0.2]))?))
            .passes(EXTREME),
        row("Beta", |x| asked(&Beta::from_parameters(&few(x, &[0.1, 0.2]))?)).passes(EXTREME),
        row("DiagonalGaussian", |x| {
            asked(&DiagonalGaussian::from_parameters(&few(x, &[0.1, -0.2]))?)
        })
        .passes(EXTREME),
        row("FullGaussian", |x| {
            asked(&FullGaussian::from_parameters(&x.pick(
                vec![0.1, 0.2, 0.0, 0.1, 0.0],
                vec![
                    vec![],
                    vec![1.0],
                    vec![0.0; 5],
                    vec![f64::NAN; 5],
                    vec![f64::MAX; 5],
                    vec![1e-310; 5],
                ],
            ))?)
        })
        .passes(EXTREME),
        row("SquashedGaussian", |x| {
            asked(&SquashedGaussian::from_parameters(&few(x, &[0.1, -0.2]))?)
        })
        .passes(EXTREME),
        row("Squashed", |x| {
            shown((
                Squashed::from_unbounded(x.slice(&[0.1])),
                Squashed::from_values(&x.slice(&[0.1]))?,
            ))
        })
        .passes("numbers as they come"),
        row("natural_gradient", |x| {
            let policy = Categorical::from_parameters(&[0.1, 0.2])?;
            shown(natural_gradient(&policy, &x.vector(&[0.1, -0.1]), x.number(1e-3))?)
        })
        .infinite("a step beyond the largest number"),
    ]);
}

#[test]
fn gradients() {
    /// Each estimator of a step, on f(a) = -scale·|a|².
    fn estimated(x: &Input, estimator: fn(f64) -> Estimator) -> Answer {
        let (estimator, scale) =
            (estimator(x.number(0.1)).repeats(x.pick(2, vec![0, 1])), x.number(1.0));
        let estimator = estimator
            .compared_at(x.pick(Some(0.2), vec![None, Some(0.0), Some(f64::NAN), Some(1e300)]));
        let f = |a: &[f64], _: u64| Ok(-scale * a.iter().map(|a| a * a).sum::<f64>());
        shown((
            Estimator::gradient(&estimator, f, &x.slice(&[0.1, 0.2]), x.whole(7))?,
            estimator.evaluations(x.pick(2, vec![0, 1000])),
        ))
    }
    holds(&[
        row("Estimator::central", |x| estimated(x, Estimator::central))
            .passes("a quotient of rewards"),
        row("Estimator::forward", |x| estimated(x, Estimator::forward))
            .passes("a quotient of rewards"),
        row("Estimator::spsa", |x| estimated(x, Estimator::spsa)).passes("a quotient of rewards"),
        row("Estimator::antithetic", |x| estimated(x, Estimator::antithetic))
            .passes("a quotient of rewards"),
        row("Estimator::score_function", |x| estimated(x, Estimator::score_function))
            .passes("a quotient of rewards"),
        row("Estimator methods", |x| {
            let estimator = Estimator::antithetic(0.1)
                .repeats(x.pick(2, vec![0]))
                .compared_at(x.pick(None, vec![Some(f64::NAN)]));
            let f = |_: usize, a: &[f64], _: u64| Ok(-a[0] * a[0]);
            let plan =
                ReportPlan::default().actions(x.pick(2, vec![0, 1])).noises(x.pick(2, vec![0, 1]));
            let at = DMatrix::from_row_slice(1, 8, &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]);
            shown((
                Estimator::gradient(
                    &estimator,
                    |a, _| Ok(-a[0] * a[0]),
                    &x.slice(&[0.1]),
                    x.whole(7),
                )?,
                Estimator::evaluations(&estimator, x.count(2)),
                Estimator::simulate(
                    &estimator,
                    &mut [Spring { scale: 1.0 }],
                    &x.slice(&[0.1]),
                    &x.slice(&[0.1]),
                    x.whole(7),
                )?,
                Estimator::report(&estimator, &x.matrix(&at), plan, f, x.whole(7))?,
            ))
        })
        .passes("figures of merit, infinite where there is no noise"),
        row("GradientReport::from_estimates", |x| {
            let plan = ReportPlan::default().actions(2).noises(2);
            let estimates = DMatrix::from_fn(2, 16, |i, j| ((i + 3 * j) as f64).sin());
            shown(GradientReport::from_estimates(&x.matrix(&estimates), plan, x.count(2))?)
        })
        .passes("figures of merit, infinite where there is no noise"),
        row("Chain::estimate", |x| {
            let (chain, scale) = (Chain::of_loss().clip(x.number(1.0)), x.number(1.0));
            let loss = |_: usize, p: &[f64], _: u64| Ok(scale * p[0] * p[0]);
            shown(Chain::estimate(
                &chain,
                &Estimator::central(1e-3),
                &network(1)?,
                &x.matrix(&contexts()),
                loss,
                x.whole(7),
            )?)
        })
        .infinite("a gradient beyond the largest number"),
        row("Chain::simulate", |x| {
            let (chain, mut springs) = (Chain::of_reward(), [Spring { scale: x.number(1.0) }]);
            shown(Chain::simulate(
                &chain,
                &Estimator::central(1e-3),
                &network(1)?,
                &mut springs,
                &x.matrix(&contexts()),
                x.whole(7),
            )?)
        })
        .infinite("a gradient beyond the largest number"),
        row("Chain::exact", |x| {
            let scale = x.number(1.0);
            let loss = |_: usize, p: &[f64], g: &mut [f64]| {
                g[0] = 2.0 * scale * p[0];
                Ok(scale * p[0] * p[0])
            };
            shown(Chain::exact(&Chain::of_loss(), &network(1)?, &x.matrix(&contexts()), loss)?)
        })
        .infinite("a gradient beyond the largest number"),
        row("pgpe", |x| {
            let (search, scale) = (DiagonalGaussian::from_parameters(&[0.1, -0.2])?, x.number(1.0));
            shown(pgpe(
                &search,
                |a, _| Ok(-scale * a[0] * a[0]),
                x.pick(4, vec![0, 1]),
                x.whole(7),
            )?)
        })
        .overflows("rewards beyond the largest number"),
        row("score_function", |x| {
            let (policy, scale) = (Categorical::from_parameters(&[0.1, 0.2])?, x.number(1.0));
            let samples = x.pick(10, vec![0, 1, 2]);
            shown(score_function(
                &policy,
                |&a| scale * a as f64,
                samples,
                Baseline::Constant(x.number(0.5)),
                &mut rng(),
            )?)
        })
        .infinite("a gradient beyond the largest number"),
        row("score_function_batch", |x| {
            let policy = Categorical::from_parameters(&[0.1, 0.2])?;
            let actions = x.counts(&[0, 1, 1]);
            shown(score_function_batch(
                &policy,
                &actions,
                &x.slice(&[1.0, 2.0, 3.0]),
                Baseline::Optimal,
            )?)
        })
        .overflows("rewards beyond the largest number"),
        row("StepSearch", |x| {
            let scale = x.number(1.0);
            let search = StepSearch::central().longest(x.number(1.0));
            shown(StepSearch::find(
                &search,
                |a, _| Ok(scale * a[0].sin()),
                &x.slice(&[0.1, 0.2]),
                x.whole(7),
            )?)
        })
        .overflows("rewards beyond the largest number"),
    ]);
}

#[test]
fn learning() {
    fn actor() -> rl_pg::Result<Actor<f64, DiagonalGaussian>> {
        let network = network(1)?;
        Actor::new(network, vec![-1.0], DiagonalGaussian::from_parameters)
    }
    holds(&[
        row("Actor", |x| {
            let mut actor =
                Actor::new(network(1)?, x.slice(&[-1.0]), DiagonalGaussian::from_parameters)?
                    .standardize(&x.slice(&[0.1]), &x.slice(&[2.0]))?
                    .free_at_least(x.number(-3.0))?;
            Actor::set_parameters(&mut actor, &x.slice(&[0.1, 0.2, -1.0]))?;
            shown((
                Actor::policy(&actor, &x.slice(&[0.3]))?,
                Actor::policies(&actor, &x.slice(&[0.3, 0.4]))?.len(),
            ))
        })
        .infinite("a deviation beyond the largest number"),
        row("Actor::weighted_scores", |x| {
            let actor = Actor::new(network(2)?, Vec::new(), Categorical::from_parameters)?;
            let (actions, weights) = (x.counts(&[0, 1, 1, 0]), x.slice(&[1.0, 2.0, 3.0, 4.0]));
            let gradient = x.vector(&[0.1, 0.2, 0.3, 0.4]);
            shown((
                Actor::weighted_scores(&actor, &x.matrix(&contexts()), &actions, &weights)?,
                Actor::natural_gradient(&actor, &x.matrix(&contexts()), &gradient, x.number(1e-3))?,
            ))
        })
        .infinite("a score beyond the largest number"),
        row("generalized_advantages", |x| {
            let (rewards, discount, after) = (x.slice(&[1.0, 2.0]), x.number(0.9), x.number(0.5));
            shown((
                rewards_to_go(&rewards, discount, after),
                generalized_advantages(
                    &rewards,
                    &x.slice(&[0.5, 0.5]),
                    after,
                    discount,
                    x.number(0.95),
                ),
                Discounting::Kept.factor(discount, x.count(3)),
            ))
        })
        .passes("sums of products"),
        row("Experience", |x| {
            let mut experience = Experience::new(x.count(1));
            experience.push(&x.slice(&[0.1]), vec![0.2], x.number(-0.7), x.number(1.0))?;
            experience.truncate(&x.slice(&[0.2]))?;
            experience.continue_from(x.count(5));
            shown(experience)
        }),
        row("Learner::update", |x| {
            let mut learner = Learner::new(actor()?, LearnOptions::default(), x.whole(7))?
                .with_value(network(1)?)?;
            let mut experience = Experience::new(1);
            for k in 0..4 {
                experience.push(
                    &x.slice(&[0.1]),
                    vec![0.2 * f64::from(k)],
                    x.number(-0.7),
                    x.number(1.0),
                )?;
            }
            experience.terminate();
            shown((learner.update(experience)?, learner.value(&x.slice(&[0.1]))?))
        })
        .overflows("rewards beyond the largest number"),
        row("Learner::train", |x| {
            let mut learner = Learner::new(actor()?, LearnOptions::default().rollouts(4), 7)?;
            let (context, mut springs) = (x.number(0.5), [Spring { scale: x.number(1.0) }]);
            let plan = Plan::steps(x.pick(64, vec![0, 1]))
                .test(x.whole(64), |_| Ok(1.0))
                .goal(x.number(2.0))
                .patience(x.whole(2));
            shown(Learner::train(
                &mut learner,
                &mut springs,
                |_, x| x[0] = context,
                plan,
                |_| ControlFlow::Continue(()),
            )?)
        }),
        row("Learner::train_environment", |x| {
            let network = Network::<f64>::builder(4).dense(2).build(&mut rng())?;
            let actor = Actor::new(network, Vec::new(), Categorical::from_parameters)?;
            let mut learner = Learner::new(actor, LearnOptions::default(), 7)?;
            let mut carts = [CartPole::new().with_step_limit(x.pick(20, vec![0, 1, usize::MAX]))];
            let plan = Plan::steps(x.pick(64, vec![0, 1]));
            shown(learner.train_environment(&mut carts, plan, |_| ControlFlow::Continue(()))?)
        }),
        row("LearnerState::from_bytes", |x| {
            let learner = Learner::new(actor()?, LearnOptions::default(), 7)?;
            shown(LearnerState::from_bytes(&x.bytes(&learner.state().to_bytes()))?)
        })
        .infinite("the best score before the first"),
    ]);
}

#[test]
fn simulators() {
    holds(&[
        row("rollouts", |x| {
            let seeds = x.pick(vec![1, 2, 3, 4], vec![vec![], vec![u64::MAX; 4], vec![1]]);
            shown(rollouts(
                &mut [Spring { scale: x.number(1.0) }],
                &x.matrix(&contexts()),
                &x.matrix(&contexts()),
                &seeds,
            )?)
        })
        .infinite("a reward beyond the largest number"),
        row("episodes", |x| {
            let seeds = x.pick(vec![1, 2], vec![vec![], vec![u64::MAX; 4]]);
            shown(episodes(
                &mut [CartPole::new()],
                &|_, _| Ok(1),
                &seeds,
                x.pick(100, vec![0, 1, usize::MAX]),
            )?)
        }),
        row("ArmHit", |x| {
            let contexts = ArmHit::halton_contexts(x.pick(3, vec![0, 1, 1000]));
            let mut arm = ArmHit::new();
            let at = x.slice(&[2.5, 0.0, -3.75, 2.5]);
            shown((contexts, arm.rollout(&at, &x.slice(&[0.1; 15]), x.whole(1))?.reward))
        })
        .overflows("rewards beyond the largest number"),
        row("Bandit", |x| {
            let (mut bandit, mut nothing) = (Bandit::new(&x.slice(&[1.0, 2.0]))?, []);
            bandit.reset(x.whole(1), &mut nothing)?;
            shown(bandit.step(&x.count(1), &mut nothing)?)
        }),
        row("MovementPrimitive", |x| {
            let motion = MovementPrimitive::new(
                x.number(1.0),
                x.pick(5, vec![0, 1, 2, 100]),
                x.pick(20, vec![0, 1, 2, 1000]),
            )?;
            let (start, goal, weights) = (x.number(0.0), x.number(1.0), x.slice(&[0.1; 5]));
            shown((
                motion.positions(start, goal, &weights)?,
                motion.velocities(start, goal, &weights)?,
            ))
        })
        .passes("velocities in almost no time, or of almost no width"),
        row("RadialBases", |x| {
            let bases = RadialBases::new(
                x.number(0.8),
                x.pick(5, vec![0, 1, 2, 1000]),
                x.number(0.15),
                x.number(0.3),
            )?;
            let mut jets = x.pick(vec![[0.0; 3]; 5], vec![vec![], vec![[0.0; 3]; 6]]);
            bases.jets(x.number(0.2), &mut jets)?;
            shown((jets, bases.motion(x.number(0.1), &x.slice(&[0.1; 5]), x.number(0.2))?))
        })
        .passes("velocities in almost no time, or of almost no width"),
        row("Streams", |x| {
            let streams = Streams::new(x.whole(7));
            let (iteration, rollout, purpose) = (x.whole(1), x.whole(2), x.whole(3));
            shown((
                streams.key(iteration, rollout, purpose),
                Streams::rng(&streams, iteration, rollout, purpose),
            ))
        }),
        row("serve", |x| {
            let requests = x.bytes(b"{\"id\":1,\"seed\":0,\"context\":[0.1],\"action\":[0.5]}\n");
            let (mut answers, name) = (Vec::new(), x.text("spring"));
            let encoding = x.pick(Encoding::Json, vec![Encoding::Binary]);
            serve(
                &mut Spring { scale: x.number(1.0) },
                &name,
                encoding,
                requests.as_slice(),
                &mut answers,
            )?;
            shown(answers)
        }),
        row("process::Options", |x| {
            let moment =
                |x: &Input, good: u64| Duration::from_millis(x.pick(good, vec![0, 1, u64::MAX]));
            let options = process::Options::default()
                .start_timeout(moment(x, 1000))
                .reply_timeout(moment(x, 1000))
                .median_timeout(x.number(10.0))
                .retries(x.pick(1, vec![0]))
                .restarts(x.pick(1, vec![0]))
                .back_off(Duration::ZERO);
            let worker = |answer: &str| {
                let hello = r#"{"hello":"a","proto":1,"context":1,"action":1}"#;
                let mut command = std::process::Command::new("sh");
                command.args(["-c", &format!("echo '{hello}'; read line; echo '{answer}'; cat")]);
                command
            };
            let mut simulator =
                process::ExternalSimulator::start(worker(r#"{"id":1,"reward":1.5}"#), options)?;
            let one = DMatrix::from_element(1, 1, 0.5);
            let answers = process::ExternalSimulator::attempts(
                &mut simulator,
                &x.matrix(&one),
                &x.matrix(&one),
                &x.pick(vec![1], vec![vec![], vec![u64::MAX; 3]]),
            )?;
            shown(answers.len())
        }),
    ]);
}
