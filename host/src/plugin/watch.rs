//! Looks at the clock while a guest computes.

use std::time::Duration;

use tokio::time::Instant;
use wasmtime::UpdateDeadline;

use super::limits::Limit;
use super::ticker::TICK;

/// When a guest that computes has to stop. Waiting guests are ended from outside: epochs don't wake them.
#[derive(Debug)]
pub(super) struct Watch {
    deadline: Option<Instant>,
    /// Seconds it may compute, and the ticks that are left of them.
    cpu: Option<(u32, u64)>,
}

impl Watch {
    /// `cpu` is how many seconds it may compute.
    pub(super) fn new(deadline: Option<Instant>, cpu: Option<u32>) -> Self {
        let ticks = |seconds: u32| {
            let time = Duration::from_secs(u64::from(seconds));
            u64::try_from(time.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX)
        };
        Self { deadline, cpu: cpu.map(|seconds| (seconds, ticks(seconds))) }
    }

    /// A tick has passed while the guest computed, or it was in a host call and is back. Gives other tasks, and the timer
    /// that ends this attempt, a chance to run.
    pub(super) fn tick(&mut self) -> wasmtime::Result<UpdateDeadline> {
        if let Some((seconds, left)) = &mut self.cpu {
            *left = left.checked_sub(1).ok_or_else(|| wasmtime::Error::new(Limit::Cpu(*seconds)))?;
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(UpdateDeadline::Interrupt);
        }
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computing_is_counted_in_ticks() {
        let mut watch = Watch::new(None, Some(1));
        for _ in 0..Duration::from_secs(1).as_millis() / TICK.as_millis() {
            assert!(watch.tick().is_ok());
        }
        assert_eq!(watch.tick().err().unwrap().downcast_ref::<Limit>(), Some(&Limit::Cpu(1)));
    }

    #[test]
    fn a_deadline_interrupts() {
        let mut watch = Watch::new(Some(Instant::now()), None);
        assert!(matches!(watch.tick(), Ok(UpdateDeadline::Interrupt)));
        let mut watch = Watch::new(Some(Instant::now() + Duration::from_secs(60)), None);
        assert!(matches!(watch.tick(), Ok(UpdateDeadline::YieldCustom(1, _))));
    }
}
