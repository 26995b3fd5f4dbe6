//! What the fault tests share: the real server under kills, broken disks and floods, and a client's own ledger of what was acknowledged.
#![forbid(unsafe_code)]
