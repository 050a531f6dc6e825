//! What one process and many ranks must agree on, and what is said of a rank that fails.

use std::time::Duration;

use crate::mpirun::{Ended, Run, folder};

fn run(ranks: usize, example: &str, arguments: &[&str]) -> Ended {
    let folder = folder(&format!("{example}-{ranks}-{}", arguments.join("")));
    let ended = Run::start(ranks, example, arguments, &folder).end();
    std::fs::remove_dir_all(folder).expect("the folder");
    ended
}

#[test]
fn a_robot_learns_the_same_weights_on_any_number_of_ranks() {
    let alone = run(1, "arm_hit_ranks", &["--updates", "4"]);
    for (ranks, threads) in [(2, "1"), (2, "3")] {
        let ended = run(ranks, "arm_hit_ranks", &["--updates", "4", "--threads", threads]);
        assert_eq!(ended.weights(ranks), alone.weights(1));
        // Rank 0 alone speaks for all.
        assert_eq!(ended.said.matches("update 4:").count(), 1);
    }
}

#[test]
fn a_simulator_in_another_process_is_started_again_on_its_rank() {
    let alone = run(1, "external", &[]);
    let two = run(2, "external", &["--dies-after", "400"]);
    assert_eq!(two.same("rewards", 2), alone.same("rewards", 1));
    // 2,000 rollouts take six lives of 399 or more, of which each rank's first is no other start.
    let again: usize = two
        .said
        .lines()
        .filter_map(|line| {
            let times = line.split_once("worker again ")?.1;
            times.split(' ').next()?.parse::<usize>().ok()
        })
        .sum();
    assert!(again >= 4, "{two:?}");
}

#[test]
fn a_network_takes_the_same_steps_on_any_number_of_ranks() {
    let arguments = ["--steps", "3", "--batch", "64"];
    let alone = run(1, "images", &arguments);
    let two = run(2, "images", &arguments);
    assert_eq!(two.weights(2), alone.weights(1));
    assert!(two.said.contains("shards of each rank [") && !two.said.contains("[0, 0]"), "{two:?}");
}

#[test]
fn a_rank_killed_at_any_moment_is_named_and_the_run_goes_on_from_its_checkpoint() {
    // Three moments here; twenty by hand. Before MPI has started, mpirun 4.1.4 may wait for ever: not a moment of ours.
    let moments = std::env::var("RANKS_KILLS").map_or(3, |kills| kills.parse().unwrap());
    let common = ["--updates", "20", "--sleep-ms", "3", "--silence-ms", "1000"];
    let undisturbed = run(2, "arm_hit_ranks", &common);
    for moment in 0..moments {
        let folder = folder(&format!("killed-{moment}"));
        let file = folder.join("checkpoint");
        let arguments = [&common[..], &["--checkpoint", file.to_str().unwrap()]].concat();
        let ranks = 2 + moment % 3;
        let killed = Run::start(ranks, "arm_hit_ranks", &arguments, &folder);
        killed.wait_for(&file);
        // Within the 19 · 48 / ranks rollouts of 3 ms that are left; golden ratio steps, however many there are.
        let part = (moment as f64 * 0.618_034).fract();
        std::thread::sleep(Duration::from_secs_f64(part * 2.5 / ranks as f64));
        killed.signal(ranks - 1, "-KILL");
        let ended = killed.end();
        // Whoever dies with nothing in its hands keeps nobody from finishing, and is then missed at the end.
        let named = format!("rank {} with ", ranks - 1);
        assert!(ended.errors.contains(&named), "{ended:?}");
        let weights = ended.said.lines().filter_map(|line| line.split_once(": weights "));
        for (_, weights) in weights {
            assert_eq!(weights, undisturbed.weights(2), "{ended:?}");
        }
        assert!(ended.took < Duration::from_secs(30), "{ended:?}");
        // On another number of ranks.
        let resumed = Run::start(1 + moment % 2, "arm_hit_ranks", &arguments, &folder).end();
        assert_eq!(resumed.weights(1 + moment % 2), undisturbed.weights(2), "moment {moment}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn a_rank_that_stops_or_hangs_or_returns_nan_is_named_with_its_rollout() {
    let nan = run(2, "arm_hit_ranks", &["--nan", "41"]);
    assert!(nan.errors.contains("with rollout 41: the reward of sample 41 is NaN"), "{nan:?}");
    assert!(nan.said.contains("update 2:") && !nan.said.contains("update 3:"), "{nan:?}");

    let hangs = ["--hang", "9", "--patience-ms", "500", "--silence-ms", "1000"];
    let hung = run(2, "arm_hit_ranks", &hangs);
    assert!(hung.errors.contains("with rollout 9: not done after "), "{hung:?}");
    assert!(!hung.finished() && hung.took < Duration::from_secs(20), "{hung:?}");

    let folder = folder("stopped");
    let file = folder.join("checkpoint");
    let arguments = ["--updates", "1000", "--sleep-ms", "5", "--silence-ms", "1000"];
    let arguments = [&arguments[..], &["--checkpoint", file.to_str().unwrap()]].concat();
    let stopped = Run::start(2, "arm_hit_ranks", &arguments, &folder);
    stopped.wait_for(&file);
    std::thread::sleep(Duration::from_millis(300));
    stopped.signal(1, "-STOP");
    let ended = stopped.end();
    assert!(ended.errors.contains("rank 1 with "), "{ended:?}");
    assert!(ended.errors.contains(": no sign of life for "), "{ended:?}");
    assert!(!ended.finished() && ended.took < Duration::from_secs(20), "{ended:?}");
    std::fs::remove_dir_all(folder).unwrap();
}
