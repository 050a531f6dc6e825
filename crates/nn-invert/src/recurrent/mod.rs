//! Networks with a memory: which input sequence gave these outputs, which state came before, and
//! networks that are their own fixed point.

mod equilibrium;
mod history;
mod march;
mod sequence;
mod stepwise;

pub use equilibrium::{Equilibrium, EquilibriumInput};
pub use history::{History, HistoryStop, recover_states};
pub use march::SequenceFault;
pub use sequence::{SequenceInverse, SequenceInversion};
