//! A worker that fails as it is told: this test binary once more, so that nothing else is needed.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a worker answers by printing")]

use std::io::{BufRead, Write, stdin, stdout};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rl_pg::process::{Encoding, serve};
use rl_pg::{Error, Outcome, Result, Simulator};

/// Holds what the worker is told; without it the worker is a test that does nothing.
const TOLD: &str = "RL_PG_TEST_WORKER";

/// This binary as a worker.
pub(crate) fn worker(told: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args(["--exact", "worker::serves", "--nocapture"]).env(TOLD, told);
    command
}

/// Of every bit of context, action and seed.
pub(crate) fn reward(context: &[f64], action: &[f64], seed: u64) -> f64 {
    let sum: f64 = context.iter().zip(action).map(|(c, a)| (c * a).sin()).sum();
    sum / 3.0 + (seed % 1000) as f64 * 1e-3
}

struct Honest;

impl Simulator for Honest {
    fn context_length(&self) -> usize {
        2
    }

    fn action_length(&self) -> usize {
        2
    }

    fn metrics(&self) -> Vec<&str> {
        vec!["seed", "first"]
    }

    fn rollout(&mut self, context: &[f64], action: &[f64], seed: u64) -> Result<Outcome> {
        let metrics = vec![(seed % 1000) as f64, action[0]];
        Ok(Outcome { reward: reward(context, action, seed), metrics })
    }
}

/// Fails every seventh seed, once: that it did is a file in this folder.
struct Faulty(PathBuf);

impl Simulator for Faulty {
    fn context_length(&self) -> usize {
        2
    }

    fn action_length(&self) -> usize {
        2
    }

    fn metrics(&self) -> Vec<&str> {
        vec!["seed", "first"]
    }

    fn rollout(&mut self, context: &[f64], action: &[f64], seed: u64) -> Result<Outcome> {
        let honest = Honest.rollout(context, action, seed);
        if seed.is_multiple_of(2)
            || std::fs::File::create_new(self.0.join(seed.to_string())).is_err()
        {
            return honest;
        }
        match seed / 2 % 40 {
            0..3 => std::process::exit(3),
            3 => {
                let pid = std::process::id().to_string();
                let _ = Command::new("kill").args(["-9", &pid]).status();
                std::process::abort(); // where there is no `kill`
            }
            4 => std::thread::sleep(Duration::from_secs(60)),
            5..8 => println!("{{\"id\":7,\"reward\":"),
            8..20 => return Ok(Outcome { reward: f64::NAN, metrics: vec![0.0; 2] }),
            20..25 => return Err(Error::Empty { argument: "luck" }),
            25..35 => println!("a print that forgot where it is"),
            _ => (0..2000).for_each(|line| eprintln!("{line}: a flood on standard error")),
        }
        honest
    }
}

/// Refuses a zero, ends at it, or never comes back from it.
struct NoZeros(&'static str);

/// Takes a tenth of a second.
struct Slow;

impl Simulator for Slow {
    fn context_length(&self) -> usize {
        2
    }

    fn action_length(&self) -> usize {
        2
    }

    fn rollout(&mut self, _: &[f64], action: &[f64], _: u64) -> Result<Outcome> {
        std::thread::sleep(Duration::from_millis(100));
        Ok(Outcome { reward: action[0], metrics: Vec::new() })
    }
}

impl Simulator for NoZeros {
    fn context_length(&self) -> usize {
        2
    }

    fn action_length(&self) -> usize {
        2
    }

    fn rollout(&mut self, context: &[f64], action: &[f64], seed: u64) -> Result<Outcome> {
        if context[0].abs() < f64::MIN_POSITIVE {
            match self.0 {
                "exit" => std::process::exit(1),
                "stall" => std::thread::sleep(Duration::from_secs(60)),
                _ => return Err(Error::Empty { argument: "context" }),
            }
        }
        Ok(Outcome { reward: reward(context, action, seed), metrics: Vec::new() })
    }
}

#[test]
fn serves() {
    let Ok(told) = std::env::var(TOLD) else { return };
    // The harness has begun a line.
    println!();
    let (input, mut output) = (stdin().lock(), stdout().lock());
    let (what, how) = told.split_once(' ').unwrap_or((&told, ""));
    let hello = |say: &str| println!("{}", hello(say));
    match what {
        "honest" => serve(&mut Honest, "honest", Encoding::Json, input, output).unwrap(),
        "binary" => serve(&mut Honest, "binary", Encoding::Binary, input, output).unwrap(),
        "slow" => serve(&mut Slow, "slow", Encoding::Json, input, output).unwrap(),
        "slow-binary" => serve(&mut Slow, "slow", Encoding::Binary, input, output).unwrap(),
        "no-zeros" => {
            let how = ["exit", "stall"].into_iter().find(|&known| known == how);
            let mut simulator = NoZeros(how.unwrap_or("error"));
            serve(&mut simulator, "no zeros", Encoding::Json, input, output).unwrap();
        }
        // Says which process it is, and does not heed the end of its input.
        "deaf" => {
            println!("{}", self::hello("").replace("test", &std::process::id().to_string()));
            std::thread::sleep(Duration::from_secs(60));
        }
        "faulty" => {
            serve(&mut Faulty(how.into()), "faulty", Encoding::Json, input, output).unwrap();
        }
        // Ends with these words before a hello.
        "dies" => {
            eprintln!("{how}");
            std::process::exit(1);
        }
        // Never says hello.
        "silent" => std::thread::sleep(Duration::from_secs(60)),
        // Says this and no more, and reads nothing.
        "mute" => {
            hello(how);
            std::thread::sleep(Duration::from_secs(60));
        }
        // Answers after much more than a pipe holds on standard error.
        "chatty" => {
            println!("{}", self::hello(""));
            for (line, id) in input.lines().zip(1..) {
                line.unwrap();
                (0..1000).for_each(|_| eprintln!("{}", "e".repeat(200)));
                println!(r#"{{"id":{id},"reward":1}}"#);
            }
        }
        // Says hello, floods both outputs, and answers nothing.
        "floods" => {
            hello("");
            loop {
                eprintln!("{}", "e".repeat(1000));
                println!("{}", "o".repeat(1000));
            }
        }
        // Takes lists of three, and answers with ids in `how`'s order, one line each.
        "ids" => {
            hello(r#""batch":3"#);
            for line in input.lines() {
                let line = line.unwrap();
                let ids: Vec<&str> = line
                    .split("\"id\":")
                    .skip(1)
                    .map(|rest| rest.split(',').next().unwrap())
                    .collect();
                for place in how.split(' ') {
                    let id = place.parse::<usize>().map_or(place, |place| ids[place % ids.len()]);
                    println!(r#"{{"id":{id},"reward":{id}}}"#);
                }
            }
        }
        // Answers each request with this text, in which ID stands for its id; `says` has its hello first.
        "answers" | "says" => {
            let (said, how) = if what == "says" { how.split_once(' ').unwrap() } else { ("", how) };
            hello(said);
            for line in input.lines() {
                let line = line.unwrap();
                let id = line.split("\"id\":").nth(1).unwrap().split(',').next().unwrap();
                println!("{}", how.replace("ID", id));
            }
        }
        // Ends at the first request; at the next start its actions are longer.
        "changes" => {
            let again = std::fs::File::create_new(how).is_err();
            let hello = self::hello("");
            println!(
                "{}",
                if again { hello.replace("\"action\":2", "\"action\":3") } else { hello }
            );
            input.lines().next();
        }
        // Ends after its hello, at every start.
        "ends" => {
            writeln!(output, "{}", self::hello("")).unwrap();
            eprintln!("{how}");
        }
        other => panic!("{other}"),
    }
    // Before the harness says more.
    std::process::exit(0);
}

fn hello(more: &str) -> String {
    if more.starts_with('{') {
        return more.to_owned();
    }
    let comma = if more.is_empty() { "" } else { "," };
    format!(r#"{{"hello":"test","proto":1,"context":2,"action":2{comma}{more}}}"#)
}
