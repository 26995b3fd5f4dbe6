//! Ctrl-C and a polite kill: the running child is ended, then the task unwinds, so that what it started is stopped as well.

use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exit_codes::Exit;
use crate::failure::Failure;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// The child that [`run`] waits for; 0: none.
static CHILD: AtomicI32 = AtomicI32::new(0);

/// Handles signals from now on. The second one ends the process at once.
pub fn watch() -> Result<(), Failure> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).map_err(Failure::io("watch signals"))?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if REQUESTED.swap(true, Ordering::SeqCst) {
                std::process::exit(Exit::Interrupted as i32);
            }
            // The terminal sends SIGINT to the child as well; the others reach this process only.
            let child = Pid::from_raw(CHILD.load(Ordering::SeqCst));
            if let (true, Some(child)) = (signal != SIGINT, child) {
                // It may have ended in between: nothing to do then.
                let _ended = kill_process(child, Signal::TERM);
            }
        }
    });
    Ok(())
}

/// Fails once a signal came.
pub fn check() -> Result<(), Failure> {
    match REQUESTED.load(Ordering::SeqCst) {
        true => Err(Failure::new(Exit::Interrupted, "stopped by a signal")),
        false => Ok(()),
    }
}

/// Runs a program to its end. Fails when it cannot start, or when a signal came.
pub fn run(command: &mut Command) -> Result<ExitStatus, Failure> {
    check()?;
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command.spawn().map_err(Failure::io(format!("start `{program}`")))?;
    CHILD.store(i32::try_from(child.id()).unwrap_or(0), Ordering::SeqCst);
    let status = child.wait();
    CHILD.store(0, Ordering::SeqCst);
    check()?;
    status.map_err(Failure::io(format!("wait for `{program}`")))
}
