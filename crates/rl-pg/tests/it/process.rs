//! Simulators in another process, and every way in which they fail.

use std::process::Command;
use std::time::{Duration, Instant};

use linalg::DMatrix;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rl_pg::process::{ExternalEnvironment, ExternalSimulator, OnFailure, Options, Report};
use rl_pg::{Environment, Error, Failure, Outcome, Result, Simulator};

use crate::worker::{reward, worker};

/// Short waits; a machine that is busy with other tests still keeps them.
fn options() -> Options {
    Options::default().back_off(Duration::from_millis(1))
}

fn start(told: &str) -> ExternalSimulator {
    ExternalSimulator::start(worker(told), options()).expect("a hello")
}

fn refused(told: &str, options: Options) -> String {
    text(&ExternalSimulator::start(worker(told), options).expect_err("no hello"))
}

/// An error's text, without the lines that the test harness writes before the worker does.
fn text(error: &Error) -> String {
    let text = error.to_string();
    // On one processor the harness names the test before it runs, too.
    let of_harness = ["", "running 1 test", "test worker::serves ..."];
    let lines = text.lines().filter(|line| !of_harness.contains(&line.trim_end()));
    let text = lines.collect::<Vec<_>>().join("\n");
    text.trim_end_matches("\nit last wrote:").to_owned()
}

/// Contexts, actions and seeds of so many rollouts.
fn batch(samples: usize) -> (DMatrix<f64>, DMatrix<f64>, Vec<u64>) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    let mut matrix = |_, _| rng.random_range(-10.0..10.0);
    let contexts = DMatrix::from_fn(2, samples, &mut matrix);
    let actions = DMatrix::from_fn(2, samples, &mut matrix);
    (contexts, actions, (0..samples as u64).collect())
}

/// The rewards and metrics of a batch, bit by bit.
fn bits(outcomes: &[Outcome]) -> Vec<u64> {
    let numbers = |outcome: &Outcome| {
        let numbers = [&[outcome.reward], &outcome.metrics[..]].concat();
        numbers.into_iter().map(f64::to_bits).collect::<Vec<_>>()
    };
    outcomes.iter().flat_map(numbers).collect()
}

#[test]
fn rewards_come_back_to_the_bit_in_both_encodings() -> Result<()> {
    let (contexts, actions, seeds) = batch(500);
    for (told, watch) in [("honest", 0), ("binary", 0), ("honest", 1), ("binary", 1000)] {
        let options = options().watch(Duration::from_millis(watch));
        let mut simulator = ExternalSimulator::start(worker(told), options)?;
        assert_eq!((simulator.name(), simulator.is_deterministic()), (told, true));
        assert_eq!((simulator.context_length(), simulator.action_length()), (2, 2));
        assert_eq!(simulator.metrics(), ["seed", "first"]);
        let outcomes = simulator.rollouts(&contexts, &actions, &seeds)?;
        for (k, outcome) in outcomes.iter().enumerate() {
            let (context, action) = (contexts.column(k), actions.column(k));
            let expected = Outcome {
                reward: reward(context.as_slice(), action.as_slice(), seeds[k]),
                metrics: vec![(k % 1000) as f64, action[0]],
            };
            assert_eq!(*outcome, expected, "{told} {k}");
            if k < 10 {
                let one = simulator.rollout(context.as_slice(), action.as_slice(), seeds[k])?;
                assert_eq!(one, expected, "{told} {k}");
            }
        }
        let strays = simulator.report().strays; // of the test harness
        let quiet = Report { rollouts: 510, starts: 1, strays, ..Report::default() };
        assert_eq!(*simulator.report(), quiet);
        assert_eq!(simulator.rollouts(&DMatrix::zeros(2, 0), &DMatrix::zeros(2, 0), &[])?, []);
    }
    Ok(())
}

#[test]
fn a_thousand_failures_change_no_bit() -> Result<()> {
    let (contexts, actions, seeds) = batch(2000);
    let undisturbed = start("honest").rollouts(&contexts, &actions, &seeds)?;

    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("faulty-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let options =
        options().reply_timeout(Duration::from_millis(100)).restarts(usize::MAX).retries(5);
    let command = worker(&format!("faulty {}", folder.display()));
    let mut simulator = ExternalSimulator::start(command, options)?;
    let disturbed = simulator.rollouts(&contexts, &actions, &seeds)?;
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1000, "failures");
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(bits(&disturbed), bits(&undisturbed));

    // Of 40 failures each: 3 exits, a signal, a stall, 3 broken answers, 12 NaN, 5 errors, 10 stray
    // prints and 5 floods, and 25 of each. A list that fails twice is counted once, few are asked.
    let report = *simulator.report();
    assert!(report.ends > 75 && report.timeouts > 12 && report.garbage > 37, "{report:?}");
    assert!(report.not_finite > 200 && report.refusals > 75 && report.strays > 200, "{report:?}");
    assert_eq!(report.failed, 0, "{report:?}");
    assert_eq!(report.restarts, report.ends + report.garbage + report.timeouts, "{report:?}");
    assert_eq!((report.starts, report.rollouts), (report.restarts + 1, 2000), "{report:?}");
    Ok(())
}

#[test]
fn answers_out_of_order_find_their_rollouts() -> Result<()> {
    let (contexts, actions, seeds) = batch(9);
    let outcomes = start("ids 2 0 1").rollouts(&contexts, &actions, &seeds)?;
    let rewards: Vec<f64> = outcomes.iter().map(|outcome| outcome.reward).collect();
    assert_eq!(rewards, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
    Ok(())
}

#[test]
fn an_answer_that_nobody_waits_for_is_an_error() {
    let (contexts, actions, seeds) = batch(3);
    for (ids, text) in [
        ("0 id99", "the worker wrote what is no answer: {\"id\":id99,\"reward\":id99}"),
        ("0 0", "the worker answered request 1, and open are [2, 3]"),
    ] {
        let mut simulator =
            ExternalSimulator::start(worker(&format!("ids {ids}")), options().retries(0)).unwrap();
        let error = simulator.rollouts(&contexts, &actions, &seeds).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
    let mut simulator = start(r#"answers {"id":99,"reward":1}"#);
    let error = simulator.rollout(&[0.0; 2], &[0.0; 2], 0).unwrap_err();
    assert_eq!(error, Error::WorkerAnswer { got: 99, open: vec![1] });
    assert_eq!(error.to_string(), "the worker answered request 99, and open are [1]");
}

#[test]
fn a_worker_that_does_not_start_is_named() {
    let short = options().start_timeout(Duration::from_millis(300));
    let error = ExternalSimulator::start(Command::new("./no such command"), short).unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"./no such command\" did not start: it cannot be run: entity not found"
    );
    let silent = refused("silent", short);
    assert!(silent.ends_with("did not start: no answer came within 300ms"), "{silent}");
    let dies = refused("dies no license left", options());
    assert!(
        dies.ends_with(
            "did not start: the worker ended with exit status: 1\n\
             it last wrote:\nno license left"
        ),
        "{dies}"
    );
    let hello = |fields: &str| refused(&format!(r#"mute {{"hello":"x",{fields}}}"#), options());
    for (fields, text) in [
        (r#""proto":2,"context":1,"action":1"#, "proto 2, expected 1"),
        (r#""context":1,"action":1"#, "proto missing, expected 1"),
        (
            r#""proto":1,"context":1"#,
            "action missing, expected a length, as this is to be a simulator",
        ),
        (
            r#""proto":1,"action":1"#,
            "context missing, expected a length, as this is to be a simulator",
        ),
        (r#""proto":1,"context":1,"action":0"#, "action 0, expected a length of at least 1"),
        (r#""proto":1,"context":-1,"action":1"#, "context -1, expected a length, 0 or more"),
        (r#""proto":1,"context":1,"action":[1]"#, "action [1], expected a length of at least 1"),
        (
            r#""proto":1,"context":1,"action":1,"metrics":[1]"#,
            "metrics [1], expected a list of names",
        ),
        (
            r#""proto":1,"context":1,"action":1,"batch":0"#,
            "batch 0, expected a length of at least 1",
        ),
        (
            r#""proto":1,"context":1,"action":1,"deterministic":1"#,
            "deterministic 1, expected true or false",
        ),
        (
            r#""proto":1,"context":1,"action":1,"encoding":"xml""#,
            "encoding \"xml\", expected \"json\" or \"binary\"",
        ),
    ] {
        assert_eq!(hello(fields), format!("the worker's hello has {text}"));
    }
    let reward = options().on_failure(OnFailure::Reward(f64::NAN));
    assert_eq!(refused("honest", reward), "on_failure[0] is NaN, and every entry must be finite");
}

#[test]
fn a_worker_that_never_answers_is_given_up_in_time() {
    let options =
        options().reply_timeout(Duration::from_millis(100)).start_timeout(Duration::from_secs(30));
    for told in ["mute", "floods"] {
        let mut simulator = ExternalSimulator::start(worker(told), options).unwrap();
        let start = Instant::now();
        let error = simulator.rollout(&[1.5, 2.0], &[0.1, 1.0 / 3.0], 7).unwrap_err();
        let Error::RolloutFailed(failed) = error else { panic!("{error}") };
        assert_eq!(failed.failure, Failure::TimedOut { after: Duration::from_millis(100) });
        assert_eq!((failed.tries, failed.seed), (2, 7));
        // Not a test of speed: a worker that is waited for would take a minute, or for ever.
        assert!(start.elapsed() < Duration::from_secs(20));
        let report = *simulator.report();
        assert_eq!((report.timeouts, report.restarts, report.retries, report.failed), (2, 1, 1, 1));
    }
}

#[test]
fn a_reply_that_takes_many_times_the_median_is_given_up() {
    let patient = options().reply_timeout(Duration::from_secs(60)).retries(0);
    let mut simulator =
        ExternalSimulator::start(worker("no-zeros stall"), patient.median_timeout(20.0)).unwrap();
    for seed in 0..10 {
        assert!(simulator.rollout(&[1.0; 2], &[0.5; 2], seed).is_ok());
    }
    let error = simulator.rollout(&[0.0; 2], &[0.5; 2], 10).unwrap_err();
    let Error::RolloutFailed(failed) = error else { panic!("{error}") };
    // Twenty times next to nothing is a second.
    assert_eq!(failed.failure, Failure::TimedOut { after: Duration::from_secs(1) });
    let wrong = ExternalSimulator::start(worker("honest"), patient.median_timeout(f64::NAN));
    assert_eq!(
        wrong.unwrap_err().to_string(),
        "median_timeout is NaN, and must be positive and finite"
    );
}

#[test]
fn a_list_may_take_longer_than_a_reply() -> Result<()> {
    let (contexts, actions, seeds) = batch(20);
    for told in ["slow", "slow-binary"] {
        let options = options().reply_timeout(Duration::from_millis(1500));
        let mut simulator = ExternalSimulator::start(worker(told), options)?;
        let outcomes = simulator.rollouts(&contexts, &actions, &seeds)?;
        for (outcome, action) in outcomes.iter().zip(actions.column_iter()) {
            assert_eq!(outcome.reward.to_bits(), action[0].to_bits());
        }
        assert_eq!(simulator.report().timeouts, 0);
    }
    Ok(())
}

#[test]
fn a_flood_on_standard_error_does_not_stop_the_worker() -> Result<()> {
    let mut simulator = start("chatty");
    for seed in 0..3 {
        assert_eq!(simulator.rollout(&[0.0; 2], &[0.0; 2], seed)?.reward.to_bits(), 1f64.to_bits());
    }
    assert_eq!((simulator.report().timeouts, simulator.report().starts), (0, 1));
    Ok(())
}

#[test]
fn a_request_larger_than_a_pipe_does_not_block() {
    let hello = r#"mute {"hello":"deaf","proto":1,"context":0,"action":100000}"#;
    let options = options().reply_timeout(Duration::from_millis(100)).retries(0);
    let mut simulator = ExternalSimulator::start(worker(hello), options).unwrap();
    let error = simulator.rollout(&[], &vec![1.0 / 3.0; 100_000], 0).unwrap_err();
    let Error::RolloutFailed(failed) = error else { panic!("{error}") };
    assert_eq!(failed.failure, Failure::TimedOut { after: Duration::from_millis(100) });
}

#[test]
fn a_reward_that_is_no_number_fails_with_its_action_kept() {
    for (answer, value) in [
        (r#"{"id":ID,"reward":null}"#, "NaN"),
        (r#"{"id":ID,"reward":NaN}"#, "NaN"),
        (r#"[{"id":ID,"reward":-Infinity}]"#, "NaN"),
    ] {
        let mut simulator = start(&format!("answers {answer}"));
        let error = simulator.rollout(&[1.5, 2.0], &[0.1, 1.0 / 3.0], 7).unwrap_err();
        assert_eq!(
            text(&error),
            format!(
                "the rollout of action [0.1, 0.3333333333333333] in context [1.5, 2.0] with seed 7 \
                 failed (tries: 2): the worker answered with {value}, which is no number"
            )
        );
        let report = *simulator.report();
        assert_eq!((report.not_finite, report.retries, report.starts), (2, 1, 1));
        assert_eq!(simulator.failed().next().map(|failed| failed.seed), Some(7));
    }
}

#[test]
fn what_a_worker_says_of_its_failure_is_handed_on() {
    for (retry, tries) in [("true", 2), ("false", 1)] {
        let answer = format!(r#"answers {{"id":ID,"error":"the arm broke","retry":{retry}}}"#);
        let error = text(&start(&answer).rollout(&[0.0; 2], &[0.5; 2], 7).unwrap_err());
        assert_eq!(
            error,
            format!(
                "the rollout of action [0.5, 0.5] in context [0.0, 0.0] with seed 7 failed (tries: \
                 {tries}): the worker says: the arm broke"
            )
        );
    }
}

#[test]
fn an_answer_with_other_metrics_is_an_error() {
    let mut simulator = start(r#"answers {"id":ID,"reward":1,"metrics":[1,2]}"#);
    assert_eq!(
        simulator.rollout(&[0.0; 2], &[0.0; 2], 0).unwrap_err().to_string(),
        "the worker's list of metrics has 2 entries, expected 0"
    );
}

#[test]
fn a_worker_that_always_ends_is_started_three_times_and_no_more() {
    let options = options().retries(100);
    let mut simulator = ExternalSimulator::start(worker("ends out of memory"), options).unwrap();
    for _ in 0..2 {
        let error = text(&simulator.rollout(&[0.0; 2], &[0.0; 2], 0).unwrap_err());
        assert_eq!(
            error,
            "the worker was started again 3 times within 1000 rollouts, and then: the worker ended \
             with exit status: 0\nit last wrote:\nout of memory"
        );
    }
    assert_eq!((simulator.report().starts, simulator.report().restarts), (4, 3));
}

#[test]
fn what_fails_by_its_action_gets_the_reward_it_was_given() -> Result<()> {
    let (contexts, actions, seeds) = batch(5);
    let told = r#"answers {"id":ID,"error":"no","retry":false}"#;
    let options = options().on_failure(OnFailure::Reward(-2.0));
    let mut simulator = ExternalSimulator::start(worker(told), options)?;
    let outcome = Outcome { reward: -2.0, metrics: Vec::new() };
    assert_eq!(simulator.rollouts(&contexts, &actions, &seeds)?, vec![outcome; 5]);
    let failed: Vec<u64> = simulator.failed().map(|failed| failed.seed).collect();
    assert_eq!((failed, simulator.report().failed), (vec![0, 1, 2, 3, 4], 5));
    Ok(())
}

#[test]
fn attempts_tell_what_failed_in_its_place() -> Result<()> {
    let (mut contexts, actions, seeds) = batch(5);
    contexts[(0, 3)] = 0.0;
    // Where the worker ends, others of its list are not to blame, though they must be asked again.
    for told in ["no-zeros", "no-zeros exit"] {
        let mut simulator = start(told);
        let attempts = simulator.attempts(&contexts, &actions, &seeds)?;
        let failed =
            attempts.iter().map(|attempt| attempt.as_ref().err().map(|failed| failed.seed));
        assert_eq!(failed.collect::<Vec<_>>(), [None, None, None, Some(3), None], "{told}");
        for (k, outcome) in [0, 1, 2, 4].into_iter().zip(attempts.iter().flatten()) {
            let (context, action) = (contexts.column(k), actions.column(k));
            let reward = reward(context.as_slice(), action.as_slice(), k as u64);
            assert_eq!(outcome.reward.to_bits(), reward.to_bits(), "{told} {k}");
        }
        let report = *simulator.report();
        let again = if told.ends_with("exit") { (5, 3) } else { (0, 0) };
        assert_eq!((report.repeats, report.ends), again, "{report:?}");
    }
    Ok(())
}

#[test]
fn bad_input_is_named_before_it_is_sent() {
    let mut simulator = start("honest");
    let long = simulator.rollout(&[0.0; 2], &[0.0; 3], 0).unwrap_err().to_string();
    assert_eq!(long, "action has 3 entries, expected 2");
    let infinite = simulator.rollout(&[0.0, f64::INFINITY], &[0.0; 2], 0).unwrap_err().to_string();
    assert_eq!(infinite, "context[1] is inf, and every entry must be finite");
    let (contexts, mut actions, seeds) = batch(3);
    let few = simulator.rollouts(&contexts, &actions, &seeds[..2]).unwrap_err().to_string();
    assert_eq!(few, "the batch of seeds has 2 entries, expected 3");
    let flat = simulator.rollouts(&DMatrix::zeros(1, 3), &actions, &seeds).unwrap_err().to_string();
    assert_eq!(flat, "a column of contexts has 1 entries, expected 2");
    actions[(1, 2)] = f64::NAN;
    let nan = simulator.rollouts(&contexts, &actions, &seeds).unwrap_err().to_string();
    assert_eq!(nan, "actions[5] is NaN, and every entry must be finite");
    assert_eq!(simulator.report().rollouts, 0);
}

/// An environment that answers like this.
fn environment(answer: &str) -> ExternalEnvironment<usize> {
    let hello = r#"{"hello":"e","proto":1,"observation":1,"actions":2}"#;
    let command = worker(&format!("says {hello} {answer}"));
    let short = options().reply_timeout(Duration::from_millis(100));
    ExternalEnvironment::start(command, short).expect("a hello")
}

#[test]
fn a_failure_ends_an_episode_and_the_next_begins_in_a_new_process() {
    let mut place = [0.0];
    for (answer, why) in [
        (r#"{"id":ID,"error":"it fell"}"#, "the worker says: it fell"),
        (r#"{"id":ID,"observation":[NaN]}"#, "the worker answered with NaN, which is no number"),
        ("nothing", "no answer came within 100ms\nit last wrote:\nnothing"),
        ("{", "the worker wrote what is no answer: {"),
    ] {
        let mut environment = environment(answer);
        for starts in 1..3 {
            let error = environment.reset(7, &mut place).unwrap_err();
            let id = environment.report().starts;
            assert_eq!(text(&error), format!("{{\"id\":{id},\"reset\":7}} failed: {why}"));
            assert_eq!(environment.report().starts, starts);
            let step = environment.step(&1, &mut place).unwrap_err();
            assert_eq!(step, Error::EpisodeOver);
        }
    }
    let mut wrong = environment(r#"{"id":ID,"observation":[1,2]}"#);
    assert_eq!(
        wrong.reset(7, &mut place).unwrap_err().to_string(),
        "the worker's observation has 2 entries, expected 1"
    );
    let mut other = environment(r#"{"id":9,"observation":[1]}"#);
    let error = other.reset(7, &mut place).unwrap_err();
    assert_eq!(error, Error::WorkerAnswer { got: 9, open: vec![1] });
}

#[test]
fn a_simulator_is_no_environment() {
    let start = |told| ExternalEnvironment::<usize>::start(worker(told), options()).unwrap_err();
    assert_eq!(
        start("honest").to_string(),
        "the worker's hello has observation missing, expected a number, as this is to be an \
         environment with such actions"
    );
}

#[test]
fn a_worker_that_is_another_after_its_restart_is_refused() {
    let file = format!("{}/changes-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    let mut simulator = start(&format!("changes {file}"));
    let error = simulator.rollout(&[0.0; 2], &[0.0; 2], 0).unwrap_err();
    std::fs::remove_file(file).unwrap();
    assert_eq!(
        error.to_string(),
        "the worker's hello has action 3, expected what it said at its first start"
    );
}

#[test]
#[cfg(unix)]
fn a_worker_that_closes_its_output_has_ended() {
    let hello = r#"{"hello":"sh","proto":1,"context":0,"action":1}"#;
    let mut command = Command::new("sh");
    command.args(["-c", &format!("echo '{hello}'; exec >&-; exec sleep 60")]);
    let mut simulator = ExternalSimulator::start(command, options().retries(0)).unwrap();
    let error = simulator.rollout(&[], &[0.5], 7).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the rollout of action [0.5] in context [] with seed 7 failed (tries: 1): the worker closed \
         its standard output"
    );
}

#[test]
#[cfg(unix)]
fn a_dropped_simulator_leaves_no_process_behind() {
    let simulator = start("deaf");
    let pid = simulator.name().to_owned();
    // Signal 0 is not sent; it asks whether the process is there, if only to be waited for.
    let there = || Command::new("kill").args(["-0", &pid]).output().map(|out| out.status.success());
    let Ok(before) = there() else { return };
    assert!(before);
    drop(simulator);
    assert!(!there().unwrap());
}
