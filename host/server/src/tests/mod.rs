//! The API over real rooms on SQLite, in one process; sockets are real where time and limits are the point.

mod bench;
mod calls;
mod contract;
mod doubles;
mod refusals;
mod requests;
mod rooms;
mod sockets;
