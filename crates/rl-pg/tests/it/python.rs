//! The Python shim, where there is a `python3`.

use std::process::{Command, Stdio};
use std::time::Duration;

use linalg::DMatrix;
use rl_pg::process::{ExternalEnvironment, ExternalSimulator, Options};
use rl_pg::{End, Environment, Error, PYTHON_SHIM, Result, Simulator};

/// A Python that runs this after the shim, which users import; `None` where there is no Python.
fn python(program: &str) -> Option<Command> {
    python_with("", program)
}

/// The same where Python can import this module besides; of those that the shim uses, no other.
///
/// The interpreter is `python3`, or that of the variable `RL_PG_TEST_PYTHON`.
#[expect(clippy::print_stderr, reason = "a test that did not run says so")]
fn python_with(module: &str, program: &str) -> Option<Command> {
    let python = std::env::var("RL_PG_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let import = if module.is_empty() { String::new() } else { format!("import {module}") };
    let mut trial = Command::new(&python);
    trial.args(["-c", &import]).stdout(Stdio::null()).stderr(Stdio::null());
    if !trial.status().is_ok_and(|status| status.success()) {
        let missing = if module.is_empty() { "Python" } else { module };
        eprintln!("NOT TESTED: {python} is or has no {missing} (RL_PG_TEST_PYTHON names another)");
        return None;
    }
    let hide = if module == "orjson" { "" } else { "import sys; sys.modules['orjson'] = None\n" };
    let mut command = Command::new(python);
    command.args(["-c", &format!("{hide}{PYTHON_SHIM}\n{program}")]);
    Some(command)
}

const SUM: &str = r#"
import subprocess
def rollout(context, action, seed):
    print("a print", end="")
    subprocess.run(["echo", "a child's print"])
    os.write(1, b"a print past Python")
    assert sys.stdin.read() == ""
    if seed == 3:
        raise ValueError("three")
    if seed == 4:
        return float("nan")
    return context[0] * action[0] + action[1], {"seed": seed, "third": action[0] / 3}
serve(rollout, context=1, action=2, metrics=["seed", "third"], name="sum", binary=sys.argv[1] == "binary",
      watch=float(sys.argv[2]))
"#;

#[test]
fn a_function_is_served_in_both_encodings_and_prints_stay_off_the_wire() -> Result<()> {
    for (module, encoding, watch) in
        [("", "json", 0.0), ("", "binary", 0.0), ("orjson", "json", 0.0), ("", "json", 0.001)]
    {
        let Some(mut command) = python_with(module, SUM) else { continue };
        command.args([encoding, &watch.to_string()]);
        let options = Options::default().watch(Duration::from_secs_f64(watch));
        let mut simulator = ExternalSimulator::start(command, options)?;
        assert_eq!((simulator.name(), simulator.metrics()), ("sum", vec!["seed", "third"]));
        let contexts = DMatrix::from_fn(1, 70, |_, j| 1.0 / (j as f64 + 1.0));
        let actions = DMatrix::from_fn(2, 70, |i, j| ((i + 2 * j) as f64).sin());
        let seeds: Vec<u64> = (10..80).collect();
        let outcomes = simulator.rollouts(&contexts, &actions, &seeds)?;
        for (j, outcome) in outcomes.iter().enumerate() {
            let reward = contexts[j] * actions[(0, j)] + actions[(1, j)];
            assert_eq!(outcome.reward.to_bits(), reward.to_bits(), "{encoding} {j}");
            assert_eq!(outcome.metrics, [seeds[j] as f64, actions[(0, j)] / 3.0]);
        }
        let error = simulator.rollout(&[0.5], &[1.0, 2.0], 3).unwrap_err();
        let Error::RolloutFailed(failed) = error else { panic!("{error}") };
        assert_eq!(
            (failed.tries, failed.failure.to_string().as_str()),
            (1, "the worker says: ValueError: three")
        );
        let error = simulator.rollout(&[0.5], &[1.0, 2.0], 4).unwrap_err();
        let Error::RolloutFailed(failed) = error else { panic!("{error}") };
        let text = "the worker says: KeyError: 'seed'";
        assert_eq!((failed.tries, failed.failure.to_string().as_str()), (1, text));
        assert_eq!((simulator.report().strays, simulator.report().garbage), (0, 0), "{encoding}");
    }
    Ok(())
}

#[test]
fn a_reward_of_nan_fails_with_its_action() -> Result<()> {
    for encoding in ["", ", binary=True"] {
        let program = format!("serve(lambda c, a, s: float('nan'), context=0, action=1{encoding})");
        let Some(command) = python(&program) else { return Ok(()) };
        let mut simulator = ExternalSimulator::start(command, Options::default())?;
        let error = simulator.rollout(&[], &[0.1], 0).unwrap_err();
        let Error::RolloutFailed(failed) = error else { panic!("{error}") };
        assert_eq!((failed.tries, failed.action), (2, vec![0.1]));
        assert_eq!((simulator.report().not_finite, simulator.report().starts), (2, 1));
    }
    Ok(())
}

#[test]
fn a_list_may_take_longer_than_a_reply() -> Result<()> {
    for encoding in ["", ", binary=True"] {
        let program =
            format!("serve(lambda c, a, s: time.sleep(0.1) or s, context=0, action=1{encoding})");
        let Some(command) = python(&program) else { return Ok(()) };
        let options = Options::default().reply_timeout(Duration::from_millis(1500));
        let mut simulator = ExternalSimulator::start(command, options)?;
        let seeds: Vec<u64> = (0..20).collect();
        let outcomes =
            simulator.rollouts(&DMatrix::zeros(0, 20), &DMatrix::zeros(1, 20), &seeds)?;
        let rewards: Vec<f64> = outcomes.iter().map(|outcome| outcome.reward).collect();
        assert_eq!(rewards, (0..20).map(f64::from).collect::<Vec<_>>());
        assert_eq!(simulator.report().timeouts, 0);
    }
    Ok(())
}

/// What the shim asks of a Gymnasium environment, without Gymnasium: a walk on 0 to 4, or along a line.
const WALK: &str = r#"
class Space:
    shape, n, start = (1,), 2, 0
    def sample(self):
        return [0.0]
class Walk:
    observation_space, action_space = Space(), Space()
    def reset(self, seed):
        self.place, self.steps = seed % 5, 0
        return [self.place], {}
    def step(self, action):
        print("a step")
        self.place += action[0] if isinstance(action, list) else 2 * action - 1
        self.steps += 1
        return [self.place], 0.5, self.place in (0, 4), self.steps == 3, {}
if sys.argv[-1] == "numbers":
    del Space.n
serve_environment(Walk())
"#;

#[test]
fn an_environment_is_served_with_its_two_ends_apart() -> Result<()> {
    let Some(command) = python(WALK) else { return Ok(()) };
    let mut walk = ExternalEnvironment::<usize>::start(command, Options::default())?;
    assert_eq!((walk.observation_length(), walk.action_size()), (1, 2));
    let mut place = [0.0];
    assert_eq!(walk.step(&1, &mut place), Err(Error::EpisodeOver));
    walk.reset(2, &mut place)?;
    let mut ends = Vec::new();
    for action in [1, 0, 1] {
        ends.push((walk.step(&action, &mut place)?.end, place[0]));
    }
    assert_eq!(ends, [(None, 3.0), (None, 2.0), (Some(End::Truncated), 3.0)]);
    let over = walk.step(&1, &mut place).unwrap_err().to_string();
    assert_eq!(over, "the episode is over, or none was begun; reset comes before the next step");
    walk.reset(8, &mut place)?;
    let step = walk.step(&1, &mut place)?;
    assert_eq!((step.end, step.reward, place[0]), (Some(End::Terminated), 0.5, 4.0));
    walk.reset(2, &mut place)?;
    let none = walk.step(&2, &mut place).unwrap_err().to_string();
    assert_eq!(none, "the action is 2, and the policy has actions 0 to 1");
    Ok(())
}

#[test]
fn an_environment_takes_numbers_too() -> Result<()> {
    let Some(mut command) = python(WALK) else { return Ok(()) };
    command.arg("numbers");
    let mut walk = ExternalEnvironment::<Vec<f64>>::start(command, Options::default())?;
    let mut place = [0.0];
    walk.reset(1, &mut place)?;
    assert_eq!(walk.step(&vec![0.1], &mut place)?.end, None);
    assert_eq!(place[0].to_bits(), 1.1f64.to_bits());
    let two = walk.step(&vec![0.1, 0.2], &mut place).unwrap_err().to_string();
    assert_eq!(two, "action has 2 entries, expected 1");
    Ok(())
}

#[test]
fn a_cart_of_gymnasium_moves_by_our_equations_and_ends_as_ours_does() -> Result<()> {
    let program = "import gymnasium
serve_environment(gymnasium.make('CartPole-v1', max_episode_steps=int(sys.argv[-1])))";
    for (limit, end) in [("500", End::Terminated), ("4", End::Truncated)] {
        let Some(mut command) = python_with("gymnasium", program) else { return Ok(()) };
        command.arg(limit);
        let mut cart = ExternalEnvironment::<usize>::start(command, Options::default())?;
        assert_eq!((cart.observation_length(), cart.action_size()), (4, 2));
        let (mut seen, mut again) = ([0.0; 4], [0.0; 4]);
        cart.reset(7, &mut again)?;
        cart.reset(7, &mut seen)?;
        assert_eq!(seen.map(f64::to_bits), again.map(f64::to_bits));
        assert!(seen.iter().all(|x| x.abs() <= 0.05));
        let mut steps = 0;
        let found = loop {
            let [x, v, theta, omega] = seen;
            let step = cart.step(&1, &mut seen)?;
            steps += 1;
            // Each observation is rounded to single precision: half of 2⁻²³ of numbers below 4.
            let rounding = 4.0 * f64::from(f32::EPSILON);
            assert!((seen[0] - (x + 0.02 * v)).abs() < rounding, "{steps}");
            assert!((seen[2] - (theta + 0.02 * omega)).abs() < rounding, "{steps}");
            // a = (F + m l ω² sin θ)/M, as in rl_pg::CartPole.
            let push = (10.0 + 0.05 * omega * omega * theta.sin()) / 1.1;
            let turn = (9.8 * theta.sin() - push * theta.cos())
                / (0.5 * (4.0 / 3.0 - 0.1 * theta.cos().powi(2) / 1.1));
            assert!((seen[3] - (omega + 0.02 * turn)).abs() < rounding, "{steps}");
            assert_eq!(step.reward.to_bits(), 1f64.to_bits());
            if let Some(end) = step.end {
                break end;
            }
        };
        assert_eq!(found, end);
        assert!(if limit == "4" { steps == 4 } else { (8..12).contains(&steps) }, "{steps}");
        assert_eq!(cart.step(&1, &mut seen), Err(Error::EpisodeOver));
    }
    Ok(())
}

#[test]
fn an_action_of_gymnasium_may_be_numbers() -> Result<()> {
    let program = "import gymnasium\nserve_environment(gymnasium.make('Pendulum-v1'))";
    let Some(command) = python_with("gymnasium", program) else { return Ok(()) };
    let mut pendulum = ExternalEnvironment::<Vec<f64>>::start(command, Options::default())?;
    assert_eq!((pendulum.observation_length(), pendulum.action_size()), (3, 1));
    let mut seen = [0.0; 3];
    pendulum.reset(7, &mut seen)?;
    for _ in 0..20 {
        // The reward is −(θ² + 0.1 ω² + 0.001 u²) of the state before the step, whose observation is
        // (cos θ, sin θ, ω).
        let (theta, omega, torque) = (seen[1].atan2(seen[0]), seen[2], 0.5);
        let step = pendulum.step(&vec![torque], &mut seen)?;
        let cost = theta * theta + 0.1 * omega * omega + 0.001 * torque * torque;
        // Rounded to single precision, of numbers below 17.
        assert!((step.reward + cost).abs() < 20.0 * f64::from(f32::EPSILON), "{}", step.reward);
    }
    Ok(())
}
