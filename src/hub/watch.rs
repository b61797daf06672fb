//! Downloads beside the signals: Ctrl-C ends them at once, wherever they wait.

use crossbeam_channel::{Sender, unbounded};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::{Found, Hub, Shown, Step, Wanted};
use crate::error::Error;

/// What happens while models are brought.
enum Notice {
    Step(Step),
    Done(Result<Vec<Found>, Error>),
    Signal,
}

impl Hub {
    /// Finds these models in the cache, or brings them there, in order.
    ///
    /// # Errors
    /// The first one that is not to be had, or the user's wish to end.
    pub fn get_all(self, wanted: Vec<Wanted>, mut shown: Shown) -> Result<Vec<Found>, Error> {
        let (sender, messages) = unbounded();
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])
            .map_err(|e| Error::Worker(format!("signal handlers: {e}")))?;
        let handle = signals.handle();
        let for_signals = sender.clone();
        let hear = move || {
            for _ in signals.forever() {
                let _ = for_signals.send(Notice::Signal);
            }
        };
        let threads = || std::thread::Builder::new();
        threads().spawn(hear).map_err(Error::Thread)?;
        threads().spawn(move || self.bring(&wanted, &sender)).map_err(Error::Thread)?;
        let mut result = Err(Error::Worker("the download broke off".into()));
        let mut loading = None;
        for message in messages {
            match message {
                Notice::Step(step) => {
                    match &step {
                        Step::Begins { name, .. } => loading = Some(name.clone()),
                        Step::Ends => loading = None,
                        Step::Told(_) | Step::At(_) => {}
                    }
                    shown.take(step);
                }
                Notice::Done(done) => {
                    result = done;
                    break;
                }
                // What was written stays; the thread that waits for more ends with the process.
                Notice::Signal => {
                    if let Some(name) = loading {
                        shown.take(Step::Ends);
                        shown.take(Step::Told(format!(
                            "what there is of {name} is kept: the same command goes on from there"
                        )));
                    }
                    result = Err(Error::Interrupted);
                    break;
                }
            }
        }
        handle.close();
        result
    }

    fn bring(&self, wanted: &[Wanted], sender: &Sender<Notice>) {
        let mut hear = |step| {
            let _ = sender.send(Notice::Step(step));
        };
        let found = wanted.iter().map(|wanted| self.get(wanted, &mut hear)).collect();
        let _ = sender.send(Notice::Done(found));
    }
}
