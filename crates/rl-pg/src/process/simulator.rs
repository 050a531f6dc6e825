//! A simulator in another process.

use std::collections::VecDeque;
use std::process::Command;

use linalg::DMatrix;

use super::hello::Hello;
use super::keeper::Keeper;
use super::rules::{OnFailure, Options, Report};
use super::wire::{self, Answer, Request, Said};
use crate::check;
use crate::{Error, FailedRollout, Failure, Outcome, Result, Simulator};

/// Rollouts in a list that are too few to be worth another list.
const SHORT: usize = 8;

/// Failed rollouts that are kept for whoever asks.
const KEPT: usize = 100;

/// A [`Simulator`] in another process, which is asked over standard input and answers over standard
/// output.
///
/// The [module's page](super) has the protocol and what is done about failures. Where the simulator
/// is deterministic given its seed, results do not depend on failures, batches or restarts, to the
/// bit. Dropping this ends the process.
///
/// # Examples
/// ```no_run
/// use rl_pg::process::{ExternalSimulator, Options};
/// use rl_pg::Simulator;
/// use std::process::Command;
///
/// let mut command = Command::new("python3");
/// command.arg("arm.py");
/// let mut arm = ExternalSimulator::start(command, Options::default())?;
/// let outcome = arm.rollout(&[2.5, 0.0, -3.75, 2.5], &[0.0; 15], 7)?;
/// println!("{} after {} starts", outcome.reward, arm.report().starts);
/// # Ok::<(), rl_pg::Error>(())
/// ```
#[derive(Debug)]
pub struct ExternalSimulator {
    keeper: Keeper,
    context_length: usize,
    action_length: usize,
    last_id: u64,
    failed: VecDeque<FailedRollout>,
}

impl ExternalSimulator {
    /// Starts the command and waits for its hello. The command should be the worker itself: of
    /// `sh -c "python3 arm.py; date"` only the shell would be killed.
    ///
    /// # Errors
    /// [`Error::WorkerNotStarted`] where there was no hello, [`Error::WorkerHello`] where it was not
    /// one of a simulator, [`Error::NotFinite`] for [`OnFailure::Reward`].
    pub fn start(command: Command, options: Options) -> Result<Self> {
        if let OnFailure::Reward(value) = options.on_failure
            && !value.is_finite()
        {
            return Err(Error::NotFinite { argument: "on_failure", index: 0, value });
        }
        let keeper = Keeper::start(command, options)?;
        let needed = |field, length: Option<usize>| {
            let missing = || Error::WorkerHello {
                field,
                got: "missing".to_owned(),
                expected: "a length, as this is to be a simulator",
            };
            length.ok_or_else(missing)
        };
        let Hello { context, action, .. } = *keeper.hello();
        Ok(Self {
            context_length: needed("context", context)?,
            action_length: needed("action", action)?,
            keeper,
            last_id: 0,
            failed: VecDeque::new(),
        })
    }

    /// What the worker calls itself.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.keeper.hello().name
    }

    /// Whether the worker says that a context, an action and a seed determine the outcome. If not, a
    /// rollout tried again is another draw.
    #[must_use]
    pub fn is_deterministic(&self) -> bool {
        self.keeper.hello().deterministic
    }

    /// What happened so far.
    pub fn report(&self) -> &Report {
        &self.keeper.report
    }

    /// The last rollouts that were given up, at most 100 of them, oldest first.
    pub fn failed(&self) -> impl ExactSizeIterator<Item = &FailedRollout> {
        self.failed.iter()
    }

    /// Runs an episode for each column, as [`Simulator::rollouts`] does, and hands back in its place
    /// each that failed by its action. [`Options::on_failure`] means nothing here.
    ///
    /// To leave those out, by `attempts.iter().flatten()`, is biased: what remains estimates the
    /// expectation *given that the simulator survived*. Where failing depends on the action, the
    /// gradient of that is another, and a policy that walks into failures sees nothing of it.
    /// [`OnFailure::Reward`] says what failing is worth, and the gradient of that is right.
    ///
    /// # Errors
    /// [`Error::Length`] and [`Error::NotFinite`] for the arguments; [`Error::TooManyRestarts`] and
    /// [`Error::WorkerHello`] where there is no worker any more; [`Error::WorkerAnswer`] and
    /// [`Error::Length`] for a worker that breaks the protocol.
    pub fn attempts(
        &mut self,
        contexts: &DMatrix<f64>,
        actions: &DMatrix<f64>,
        seeds: &[u64],
    ) -> Result<Vec<Result<Outcome, FailedRollout>>> {
        let samples = contexts.ncols();
        for (argument, got, expected) in [
            ("the batch of actions", actions.ncols(), samples),
            ("the batch of seeds", seeds.len(), samples),
            ("a column of contexts", contexts.nrows(), self.context_length),
            ("a column of actions", actions.nrows(), self.action_length),
        ] {
            if got != expected {
                return Err(Error::Length { argument, got, expected });
            }
        }
        check::numbers("contexts", contexts.as_slice(), contexts.len())?;
        check::numbers("actions", actions.as_slice(), actions.len())?;
        self.run(&Batch { contexts: contexts.as_slice(), actions: actions.as_slice(), seeds })
    }

    fn run(&mut self, batch: &Batch<'_>) -> Result<Vec<Result<Outcome, FailedRollout>>> {
        let result = Run::new(batch).finish(self);
        if result.is_err() {
            // It may be at rollouts that nobody waits for, whose answers would meet the next batch.
            self.keeper.dismiss();
        }
        result
    }

    /// What becomes of an attempt by the rules.
    fn ruled(&self, attempt: Result<Outcome, FailedRollout>) -> Result<Outcome> {
        attempt.or_else(|failed| match self.keeper.options().on_failure {
            OnFailure::Error => Err(Error::RolloutFailed(Box::new(failed))),
            OnFailure::Reward(reward) => {
                Ok(Outcome { reward, metrics: vec![f64::NAN; self.keeper.hello().metrics.len()] })
            }
        })
    }
}

impl Simulator for ExternalSimulator {
    fn context_length(&self) -> usize {
        self.context_length
    }

    fn action_length(&self) -> usize {
        self.action_length
    }

    fn metrics(&self) -> Vec<&str> {
        self.keeper.hello().metrics.iter().map(String::as_str).collect()
    }

    /// Two of the lists that the worker takes: one is on its way while it is at the other.
    fn list_length(&self) -> usize {
        match self.keeper.hello().batch {
            1 => 1,
            longest => 2 * longest,
        }
    }

    fn rollout(&mut self, context: &[f64], action: &[f64], seed: u64) -> Result<Outcome> {
        check::numbers("context", context, self.context_length)?;
        check::numbers("action", action, self.action_length)?;
        let batch = Batch { contexts: context, actions: action, seeds: &[seed] };
        let attempt = self.run(&batch)?.pop();
        self.ruled(attempt.ok_or(Error::Empty { argument: "attempts" })?)
    }

    fn rollouts(
        &mut self,
        contexts: &DMatrix<f64>,
        actions: &DMatrix<f64>,
        seeds: &[u64],
    ) -> Result<Vec<Outcome>> {
        let attempts = self.attempts(contexts, actions, seeds)?;
        attempts.into_iter().map(|attempt| self.ruled(attempt)).collect()
    }
}

/// Contexts and actions as columns, one after another.
struct Batch<'a> {
    contexts: &'a [f64],
    actions: &'a [f64],
    seeds: &'a [u64],
}

impl<'a> Batch<'a> {
    fn context(&self, place: usize) -> &'a [f64] {
        let length = self.contexts.len() / self.seeds.len();
        &self.contexts[place * length..][..length]
    }

    fn action(&self, place: usize) -> &'a [f64] {
        let length = self.actions.len() / self.seeds.len();
        &self.actions[place * length..][..length]
    }
}

/// A batch on its way. A failure of the worker is laid on a rollout only if nothing else was asked;
/// otherwise all that was asked is asked again, each alone.
struct Run<'a> {
    batch: &'a Batch<'a>,
    attempts: Vec<Option<Result<Outcome, FailedRollout>>>,
    open: usize,
    /// The first place that was never asked.
    next: usize,
    /// Places to be asked with nothing else.
    alone: VecDeque<usize>,
    /// Ids and places that wait for an answer.
    asked: VecDeque<(u64, usize)>,
    tries: Vec<usize>,
}

impl<'a> Run<'a> {
    fn new(batch: &'a Batch<'a>) -> Self {
        let samples = batch.seeds.len();
        Self {
            batch,
            attempts: vec![None; samples],
            open: samples,
            next: 0,
            alone: VecDeque::new(),
            asked: VecDeque::new(),
            tries: vec![0; samples],
        }
    }

    fn finish(
        mut self,
        simulator: &mut ExternalSimulator,
    ) -> Result<Vec<Result<Outcome, FailedRollout>>> {
        while self.open > 0 {
            self.ask(simulator)?;
            match simulator.keeper.hear() {
                Ok(answers) => {
                    for answer in answers {
                        self.take(answer, simulator)?;
                    }
                }
                Err(failure) => match *self.asked.make_contiguous() {
                    [(_, place)] => {
                        self.asked.clear();
                        self.fail(place, failure, Again::May, simulator);
                    }
                    _ => {
                        simulator.keeper.report.repeats += self.asked.len() as u64;
                        self.alone.extend(self.asked.drain(..).map(|(_, place)| place));
                    }
                },
            }
        }
        // None is open, so each is something.
        Ok(self.attempts.into_iter().flatten().collect())
    }

    /// Keeps two lists on their way, so that the worker has one while the other is written or read,
    /// or one rollout for a worker that takes no lists.
    fn ask(&mut self, simulator: &mut ExternalSimulator) -> Result<()> {
        let longest = simulator.keeper.hello().batch;
        let waiting = if longest == 1 || !self.alone.is_empty() { 0 } else { longest };
        let samples = self.batch.seeds.len();
        // Short enough that a worker is at the first while the last is written.
        let length = samples.div_ceil(4).max(SHORT).min(longest);
        while self.asked.len() <= waiting {
            let places = match self.alone.pop_front() {
                Some(place) => vec![place],
                None => (self.next..samples).take(length).collect(),
            };
            let Some(last) = places.last() else { break };
            self.next = self.next.max(last + 1);
            let mut requests = Vec::with_capacity(places.len());
            for place in places {
                simulator.last_id += 1;
                self.asked.push_back((simulator.last_id, place));
                requests.push(Request {
                    id: simulator.last_id,
                    seed: self.batch.seeds[place],
                    context: self.batch.context(place),
                    action: self.batch.action(place),
                });
            }
            let encoding = simulator.keeper.hello().encoding;
            simulator.keeper.say(wire::requests(encoding, &requests))?;
        }
        Ok(())
    }

    fn take(&mut self, answer: Answer, simulator: &mut ExternalSimulator) -> Result<()> {
        let Some(index) = self.asked.iter().position(|&(id, _)| id == answer.id) else {
            let open = self.asked.iter().map(|&(id, _)| id).collect();
            return Err(Error::WorkerAnswer { got: answer.id, open });
        };
        let (_, place) = self.asked.remove(index).unwrap_or_default();
        match answer.said {
            Said::Done { reward, numbers: metrics, .. } => {
                let expected = simulator.keeper.hello().metrics.len();
                if metrics.len() != expected {
                    let argument = "the worker's list of metrics";
                    return Err(Error::Length { argument, got: metrics.len(), expected });
                }
                if !reward.is_finite() {
                    simulator.keeper.report.not_finite += 1;
                    self.fail(place, Failure::NotFinite { value: reward }, Again::May, simulator);
                } else {
                    self.close(place, Ok(Outcome { reward, metrics }), simulator);
                }
            }
            Said::Failed { text, retry } => {
                simulator.keeper.report.refusals += 1;
                let again = if retry { Again::May } else { Again::WillNot };
                self.fail(place, Failure::Said { text }, again, simulator);
            }
        }
        Ok(())
    }

    /// Tries again a rollout that failed alone, or gives it up.
    fn fail(
        &mut self,
        place: usize,
        failure: Failure,
        again: Again,
        simulator: &mut ExternalSimulator,
    ) {
        self.tries[place] += 1;
        let tries = self.tries[place];
        if again == Again::May && tries <= simulator.keeper.options().retries {
            simulator.keeper.report.retries += 1;
            self.alone.push_back(place);
            return;
        }
        let failed = FailedRollout {
            context: self.batch.context(place).to_vec(),
            action: self.batch.action(place).to_vec(),
            seed: self.batch.seeds[place],
            tries,
            last_words: simulator.keeper.last_words(&failure),
            failure,
        };
        simulator.keeper.report.failed += 1;
        simulator.failed.push_back(failed.clone());
        if simulator.failed.len() > KEPT {
            simulator.failed.pop_front();
        }
        self.close(place, Err(failed), simulator);
    }

    fn close(
        &mut self,
        place: usize,
        attempt: Result<Outcome, FailedRollout>,
        simulator: &mut ExternalSimulator,
    ) {
        self.attempts[place] = Some(attempt);
        self.open -= 1;
        simulator.keeper.report.rollouts += 1;
    }
}

/// Whether a rollout that failed may succeed the next time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    May,
    WillNot,
}
