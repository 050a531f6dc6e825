//! Sparse matrices by rows ([`Csr`](crate::Csr)) and by columns ([`Csc`](crate::Csc)).

mod colors;
mod compressed;
mod csc;
pub(crate) mod csr;
mod sweep;

pub(crate) use compressed::Aligned;
pub use csc::Csc;
pub use csr::Csr;
