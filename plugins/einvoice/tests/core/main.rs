//! The tests of reading, checking and naming invoices. They need no host.

mod cases;
mod documents;
mod perturbed;
mod published;
mod refused;
mod tolerance;
