//! The Python shim, where there is a `python3`.

use std::process::{Command, Stdio};
use std::time::Duration;

use linalg::DMatrix;
use rl_pg::process::{ExternalEnvironment, ExternalSimulator, Options};
use rl_pg::{End, Environment, Error, PYTHON_SHIM, Result, Simulator};

/// A Python that runs this after the shim, which users import; `None` where there is no Python.
#[expect(clippy::print_stderr, reason = "a test that did not run says so")]
fn python(program: &str) -> Option<Command> {
    let quiet =
        |command: &mut Command| command.stdout(Stdio::null()).status().is_ok_and(|s| s.success());
    if !quiet(Command::new("python3").arg("-V")) {
        eprintln!("there is no python3 here, and the shim is not tested");
        return None;
    }
    let mut command = Command::new("python3");
    command.args(["-c", &format!("{PYTHON_SHIM}\n{program}")]);
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
serve(rollout, context=1, action=2, metrics=["seed", "third"], name="sum", binary=sys.argv[-1] == "binary")
"#;

#[test]
fn a_function_is_served_in_both_encodings_and_prints_stay_off_the_wire() -> Result<()> {
    for encoding in ["json", "binary"] {
        let Some(mut command) = python(SUM) else { return Ok(()) };
        command.arg(encoding);
        let mut simulator = ExternalSimulator::start(command, Options::default())?;
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
