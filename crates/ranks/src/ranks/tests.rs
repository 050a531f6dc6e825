//! Ranks that are threads, on a line of channels: all but MPI itself.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use linalg::team::{Failed, Problem};

use super::*;
use crate::Error;
use crate::post::Port;

/// A rank's end of the line. Once `dead` it neither sends nor receives.
struct Wire {
    rank: usize,
    to: Vec<Sender<(usize, Vec<u8>)>>,
    from: Receiver<(usize, Vec<u8>)>,
    dead: Arc<AtomicBool>,
}

impl Line for Wire {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.to.len()
    }

    fn session(&mut self, serve: &mut dyn FnMut(&mut dyn Port)) {
        serve(self);
    }

    fn close(self) {}
}

impl Port for Wire {
    fn send(&mut self, to: usize, bytes: &[u8]) {
        if !self.dead.load(Ordering::Relaxed) {
            let _ = self.to[to].send((self.rank, bytes.to_vec()));
        }
    }

    fn receive(&mut self) -> Option<(usize, Vec<u8>)> {
        self.from.try_recv().ok().filter(|_| !self.dead.load(Ordering::Relaxed))
    }

    fn is_idle(&mut self) -> bool {
        true
    }

    fn abort(&mut self) {}
}

fn options() -> Options {
    Options::default().silence(Duration::from_millis(600)).unwrap()
}

/// Runs `main` on so many ranks; what each returned. It may end its rank by the flag.
fn on_ranks<T: Send>(
    size: usize,
    options: Options,
    main: impl Fn(&Ranks, &AtomicBool) -> T + Sync,
) -> Vec<T> {
    let (to, from): (Vec<_>, Vec<_>) = (0..size).map(|_| mpsc::channel()).unzip();
    std::thread::scope(|scope| {
        let ranks: Vec<_> = from
            .into_iter()
            .enumerate()
            .map(|(rank, from)| {
                let dead = Arc::new(AtomicBool::new(false));
                let wire = Wire { rank, to: to.clone(), from, dead: Arc::clone(&dead) };
                let main = &main;
                scope.spawn(move || main(&Ranks::over(move || Ok(wire), options).unwrap(), &dead))
            })
            .collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

fn sum_of_halves(ranks: &Ranks, count: usize, at_a_time: usize) -> Result<Vec<u8>, Lost> {
    // Pieces that take unequal times, so that ranks take turns.
    let work = |range: Range<usize>| {
        std::thread::sleep(Duration::from_micros(range.start as u64 % 7 * 100));
        Ok(range.flat_map(|i| (1.0 / (i as f64 + 1.0)).to_le_bytes()).collect())
    };
    let join = |all: Vec<u8>| {
        let numbers = all.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes));
        numbers.sum::<f64>().to_le_bytes().to_vec()
    };
    ranks.run(Pieces::new("half", count).at_a_time(at_a_time).digest(1), &mut { work }, &mut {
        join
    })
}

#[test]
fn any_number_of_ranks_gives_the_same_bits_to_every_rank() {
    let expected: f64 = (0..100).map(|i| 1.0 / (f64::from(i) + 1.0)).sum();
    for size in [1, 2, 3, 4, 7] {
        let found = on_ranks(size, options(), |ranks, _| {
            let sums = [1, 3, 100].map(|at_a_time| sum_of_halves(ranks, 100, at_a_time).unwrap());
            let shared = ranks.share(ranks.rank().to_string().into_bytes()).unwrap();
            assert_eq!(ranks.finish(Ok::<_, Error>(())), ExitCode::SUCCESS);
            (sums, shared, ranks.report())
        });
        for (sums, shared, _) in &found {
            for sum in sums {
                assert_eq!(sum[..], expected.to_le_bytes(), "{size} ranks");
            }
            assert_eq!(shared, b"0");
        }
        let report = &found[0].2;
        assert_eq!((report.turns, report.pieces.iter().sum::<u64>()), (4, 300));
        assert_eq!(report.pieces.len(), size);
    }
}

#[test]
fn the_first_piece_that_fails_is_named_on_every_rank() {
    for size in [1, 2, 4] {
        let found = on_ranks(size, options(), |ranks, _| {
            let mut work = |range: Range<usize>| {
                // The first to fail takes its time, so that the second is known before it.
                let nap = if range.contains(&33) { 200 } else { 1 };
                std::thread::sleep(Duration::from_millis(nap));
                match [33, 34, 90].into_iter().find(|piece| range.contains(piece)) {
                    Some(piece) => Err(Failed { piece, text: format!("it is {}", f64::NAN) }),
                    None => Ok(Vec::new()),
                }
            };
            let pieces = Pieces::new("rollout", 100);
            ranks.run(pieces, &mut work, &mut |all| all).unwrap_err()
        });
        for lost in &found {
            assert_eq!(lost.pieces, 33..34);
            assert_eq!(lost.problem, Problem::Failed { text: "it is NaN".into() });
            assert_eq!(lost, &found[0]);
        }
    }
}

#[test]
fn a_rank_that_is_gone_is_named_with_its_pieces() {
    let start = Instant::now();
    let done = AtomicUsize::new(0);
    let found = on_ranks(3, options(), |ranks, dead| {
        let mut work = |range: Range<usize>| {
            if ranks.rank() == 2 && done.load(Ordering::Relaxed) > 5 {
                dead.store(true, Ordering::Relaxed);
            }
            done.fetch_add(range.len(), Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(2));
            Ok(Vec::new())
        };
        let pieces = Pieces::new("rollout", 100);
        ranks.run(pieces, &mut work, &mut |all| all).unwrap_err()
    });
    for rank in [0, 1] {
        assert_eq!((found[rank].rank, found[rank].pieces.len()), (2, 1));
        assert!(matches!(found[rank].problem, Problem::Silent { .. }));
        assert!(found[rank].to_string().starts_with("rank 2 with rollout "));
    }
    // Who was cut off sees the same of rank 0.
    assert_eq!(found[2].rank, 0);
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn rank_0_gone_is_seen_by_all_others() {
    let found = on_ranks(3, options(), |ranks, dead| {
        if ranks.leads() {
            dead.store(true, Ordering::Relaxed);
            return None;
        }
        Some(sum_of_halves(ranks, 10, 1).unwrap_err())
    });
    for lost in found.into_iter().flatten() {
        assert_eq!((lost.rank, lost.pieces), (0, 0..0));
    }
}

#[test]
fn a_rank_that_hangs_is_named_with_its_pieces() {
    let options = options().patience(Duration::from_millis(300)).unwrap();
    let held = AtomicUsize::new(usize::MAX);
    let found = on_ranks(3, options, |ranks, _| {
        let mut work = |range: Range<usize>| {
            if ranks.rank() == 1 {
                held.store(range.start, Ordering::Relaxed);
                std::thread::sleep(Duration::from_secs(2));
            }
            std::thread::sleep(Duration::from_millis(5));
            Ok(vec![0; range.len()])
        };
        ranks.run(Pieces::new("rollout", 1000), &mut work, &mut |all| all).unwrap_err()
    });
    let held = held.into_inner();
    for lost in found {
        assert_eq!((lost.rank, lost.pieces), (1, held..held + 1));
        assert!(matches!(lost.problem, Problem::Overdue { .. }));
    }
}

#[test]
fn a_long_piece_is_no_silence() {
    let found = on_ranks(3, options(), |ranks, _| {
        let mut work = |range: Range<usize>| {
            // Longer than twice the silence, on every rank.
            std::thread::sleep(Duration::from_millis(1300));
            Ok(vec![0; range.len()])
        };
        ranks.run(Pieces::new("rollout", 3), &mut work, &mut |all| all)
    });
    assert!(found.iter().all(|found| *found == Ok(vec![0; 3])), "{found:?}");
}

#[test]
fn a_rank_with_other_input_is_named() {
    let found = on_ranks(3, options(), |ranks, _| {
        let mut work = |range: Range<usize>| {
            std::thread::sleep(Duration::from_millis(5));
            Ok(vec![0; range.len()])
        };
        let digest = u64::from(ranks.rank() == 1);
        let pieces = Pieces::new("rollout", 300).digest(digest);
        ranks.run(pieces, &mut work, &mut |all| all).unwrap_err()
    });
    for lost in found {
        assert_eq!(lost.to_string(), "rank 1 with no rollout: its input is not that of rank 0");
    }
}

#[test]
fn an_error_of_one_rank_ends_the_program() {
    let codes = on_ranks(1, options(), |ranks, _| {
        let late = Error::OutOfRange { argument: "x", value: 2.0, expected: "less than 1" };
        assert_eq!(late.to_string(), "x is 2, and must be less than 1");
        ranks.finish(Err(late))
    });
    assert_eq!(codes, [ExitCode::FAILURE]);
}
